// Reduction and update of an embedding's gradient by the rows that a window touched, so that the cost grows
// with the window and not with the vocabulary. The result is what a pass over the whole table would give,
// whatever the number of workers: each row is summed over shards in their order, by one rank.
// Refuses to do: optimisers that change rows without gradient (momentum, weight decay): those need the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "optimizer.h"

namespace timernn {

/// The rows of a shard's gradient that are not zero: their number, then each once. It lies in shared memory,
/// so what it says is never taken beyond its size.
struct TouchedRows {
  std::uint32_t* words;
  std::size_t size;  ///< capacity(…)
  static std::size_t capacity(std::size_t positions, std::size_t V) {
    return 1 + (positions < V ? positions : V);
  }
  std::size_t count() const { return words[0] < size ? words[0] : size - 1; }
  const std::uint32_t* begin() const { return words + 1; }
  const std::uint32_t* end() const { return words + 1 + count(); }
  void clear() { words[0] = 0; }
  void push(std::uint32_t row) {
    const std::size_t n = count();
    if (n + 1 >= size) return;
    words[n + 1] = row;
    words[0] = static_cast<std::uint32_t>(n + 1);
  }
};

/// The squared norm is added up in ranges of rows whose number is fixed, so that it has the same bits for any
/// number of workers.
inline constexpr std::size_t kRowChunks = 64;

struct EmbeddingGradients {
  float* const* tables;        ///< V×D, one a shard
  const TouchedRows* touched;  ///< one a shard
  std::size_t shards, V, D;
};

/// One rank's share of the rows: its range of chunks.
class EmbeddingRows {
 public:
  explicit EmbeddingRows(std::size_t V) : owner_(V), seen_(V) {}

  /// Sums each row of this rank's range into the first shard that has it; squares[c] = Σ of the squares of
  /// chunk c.
  void reduce(double* squares, const EmbeddingGradients& g, std::size_t rank, std::size_t workers);

  /// After reduce with the same arguments: updates those rows of `params` (V×D).
  /// `args`: all but the range.
  void update(const Optimizer& optimizer, float* params, const EmbeddingGradients& g, UpdateArgs args) const;

 private:
  std::vector<std::uint32_t> owner_;  ///< shard that holds the sum of a row
  std::vector<std::uint32_t> seen_;   ///< the call that wrote owner_
  std::uint32_t call_ = 0;
  std::size_t begin_ = 0, end_ = 0;  ///< rows of the last call
};

}  // namespace timernn
