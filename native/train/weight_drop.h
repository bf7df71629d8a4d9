// DropConnect of recurrent weights (Wan et al. 2013; Merity et al. 2017): once a window, each number of a
// layer's Wh drops out with the layer's rate, and the others are scaled up. Every rank does its own range of
// the parameters, the one that it also reduces and updates, and keeps that range's mask for the way back.
// Refuses to do: barriers. After drop() all ranks must have come before any packs or multiplies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../layers/dropout.h"
#include "../model/spec.h"
#include "../optim/reduce.h"

namespace timernn {

class WeightDrop {
 public:
  WeightDrop() = default;
  /// @param first  the float at which chunks start to be counted
  WeightDrop(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
             const Regularization& regularization, std::size_t first);

  bool none() const { return drops_.empty(); }
  /// Table indices of the tensors that drop.
  std::vector<std::size_t> tensors() const;

  /// dropped = params with the window's mask, in the range of chunks.
  void drop(float* dropped, const float* params, std::uint32_t window, ChunkRange range);
  /// After drop with the same range and a reduction: the sum's mask. squares[c] anew for each chunk that
  /// changed.
  void mask(float* grads, double* squares, std::size_t length, ChunkRange range) const;

 private:
  struct Drop {
    std::size_t tensor, begin, end;  ///< floats of the arena
    std::size_t keep;                ///< where its mask starts
    DropoutRate rate;
    std::uint32_t place;
  };
  std::vector<Drop> drops_;
  std::uint64_t seed_ = 0;
  std::size_t first_ = 0;
  std::vector<std::uint8_t> keep_;  ///< a byte a weight that may drop; this rank's range of them is in use
};

}  // namespace timernn
