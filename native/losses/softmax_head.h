// The output layer and its loss in one: logits = h·W + b, softmax cross-entropy, and all their gradients, in
// blocks of rows so that the logits of a window are never held at once.
//
// On the packed path a block of rows goes through a few hundred columns at a time: product, softmax and the
// gradient at h find them in L2. The exponentials e are kept for the gradient of W, in the panel layout that
// it reads, so nothing is packed but the weights, once a window. The gradients are e · (scale / Σe): the
// factor goes onto the few columns of h and dh instead of onto the thousands of e.
// Refuses to do: labels to ignore (the layers API has them; inside a replica every position is predicted).
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/buffer.h"

namespace timernn {

struct HeadDims {
  std::size_t M, H, V;  ///< rows (T·n), hidden size, vocabulary size
  bool tied = false;    ///< W and dW are V×H: an embedding's table serves as output weights
};

struct HeadInput {
  const float *hs, *W, *b;       ///< M×H, H×V (tied: V×H), V
  const std::uint32_t* targets;  ///< M, each below V
  std::size_t M;                 ///< at most the rows that the head was built for
};

struct HeadGrads {
  float *dhs, *dW, *db;  ///< M×H, H×V (tied: V×H), V: overwritten
  float scale;           ///< factor on every gradient, 1 / tokens for the mean
};

/// The output layer's weights.
struct HeadWeights {
  const float *W, *b;  ///< H×V (tied: V×H), V
  std::size_t H, V;
  bool tied = false;
};

/// Floats of the packed weights: W with b as an extra row, and Wᵀ where `turned`.
std::size_t packed_head_floats(std::size_t H, std::size_t V, bool turned);
/// Packs the part-th of `parts` ranges of columns, so that workers can share the packing and its result.
void pack_head(float* out, const HeadWeights& w, bool turned, std::size_t part, std::size_t parts);

class SoftmaxHead {
 public:
  SoftmaxHead() = default;
  /// @param packed  the weights as the caller packs them before each call (pack_head; turned where
  /// `trainable`); null: products go through BLAS
  /// @param lent  whether the caller lends the memory of work_in() before it calls
  SoftmaxHead(const HeadDims& most, bool trainable, const float* packed, bool lent = false);

  /// Floats of what the gradient of W is made from, on the packed path of a trainable head.
  static std::size_t work_floats(const HeadDims& most);
  /// From now on that lies there.
  void work_in(float* work);

  /// Sum of the negative log-likelihoods in nats.
  double forward(const HeadInput& in);
  /// The same, and the gradients.
  /// @param leave  packed only: all but the last block's part of dW and db, which weight_part() adds
  double forward_backward(const HeadInput& in, const HeadGrads& grads, bool leave = false);
  /// Parts of what is left after M rows, at least one.
  std::size_t weight_parts(std::size_t M) const;
  /// One of them, from the work of any head that is like this one. Each writes its own rectangle of dW and
  /// its own columns of db.
  void weight_part(float* dW, float* db, const float* work, std::size_t M, std::size_t part) const;
  struct Range {
    std::size_t begin, end;
  };
  /// The rows of dW that a part writes, all of each, where it is tied.
  Range tied_rows(std::size_t M, std::size_t part) const;
  std::size_t workspace_floats() const;
  std::size_t block_rows() const { return rows_; }

 private:
  double blas(const HeadInput& in, const HeadGrads* grads);
  double packed(const HeadInput& in, const HeadGrads* grads, bool leave);
  double block(const HeadInput& in, const HeadGrads* grads, std::size_t first, std::size_t rows);
  void row_tiles(const float* hs, std::size_t rows);
  void logits(float* e, std::size_t v, std::size_t n, std::size_t rows) const;
  void hidden_gradients(float* dhs, const float* e, std::size_t v, std::size_t n, std::size_t rows) const;
  void shrink(float* dhs, std::size_t columns, std::size_t rows);
  double losses(const std::uint32_t* targets, std::size_t rows, bool gradient);
  void finish_hidden(float* dhs, const std::uint32_t* targets, std::size_t rows, float scale) const;
  void pack_hidden(const float* hs, std::size_t rows, float scale);
  /// Floats of e, of h · inverse behind it, and of 1 / Σe behind that; each starts on a cache line.
  struct WorkSizes {
    std::size_t e, columns, inverse;
    std::size_t floats() const { return e + columns + inverse; }
  };
  static WorkSizes work_sizes(const HeadDims& d, std::size_t rows);
  struct Work {
    const float *e, *columns, *inverse;
  };
  struct Block {
    float *dW, *db;
    Work work;
    std::size_t rows;
    bool more;  ///< than the first: dW and db are added to
  };
  Work factors_in(const float* work) const;
  std::size_t last_block(std::size_t M) const;  ///< where the last block of M rows starts
  std::size_t tied_part_rows(std::size_t rows) const;
  Range tied_block_rows(std::size_t rows, std::size_t part) const;
  std::size_t block_parts(std::size_t rows) const;
  void block_part(const Block& b, std::size_t part) const;
  void tied_part(const Block& b, Range rows) const;

  HeadDims dims_{};
  std::size_t rows_ = 0;  ///< rows of a block
  bool trainable_ = false;
  const float *weights_ = nullptr, *weights_turned_ = nullptr;  ///< W with b as an extra row, and Wᵀ, packed
  Buffer own_;                ///< what the three that follow point into where the caller lends nothing
  float* logits_ = nullptr;   ///< a block; without gradients, a few columns of it
  float* columns_ = nullptr;  ///< h · inverse, in tiles of a few columns (tied: in panels)
  float* inverse_ = nullptr;  ///< a row: 1 / Σe
  Buffer row_tiles_;          ///< h of a block, and ones, in tiles of a few rows
  Buffer sums_;               ///< of e, a panel of lanes a row
  /// A row: what exp subtracts, its correction, z and e of the target.
  Buffer reference_, factor_, target_, target_e_;
};

}  // namespace timernn
