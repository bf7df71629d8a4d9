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
  SoftmaxHead(const HeadDims& most, bool trainable, const float* packed);

  /// Sum of the negative log-likelihoods in nats.
  double forward(const HeadInput& in);
  /// The same, and the gradients.
  double forward_backward(const HeadInput& in, const HeadGrads& grads);
  std::size_t workspace_floats() const;
  std::size_t block_rows() const { return rows_; }

 private:
  double blas(const HeadInput& in, const HeadGrads* grads);
  double packed(const HeadInput& in, const HeadGrads* grads);
  double block(const HeadInput& in, const HeadGrads* grads, std::size_t first, std::size_t rows);
  void row_tiles(const float* hs, std::size_t rows);
  void logits(float* e, std::size_t v, std::size_t n, std::size_t rows) const;
  void hidden_gradients(float* dhs, const float* e, std::size_t v, std::size_t n, std::size_t rows) const;
  void shrink(float* dhs, std::size_t columns, std::size_t rows);
  double losses(const std::uint32_t* targets, std::size_t rows, bool gradient);
  void finish_hidden(float* dhs, const std::uint32_t* targets, std::size_t rows, float scale) const;
  void bias_gradients(float* db, const float* e, std::size_t width, std::size_t rows, bool more) const;
  void weight_gradients(const HeadGrads& grads, const float* hs, std::size_t rows, bool more);
  void tied_gradients(const HeadGrads& grads, const float* hs, std::size_t rows, bool more);

  HeadDims dims_{};
  std::size_t rows_ = 0;  ///< rows of a block
  bool trainable_ = false;
  const float *weights_ = nullptr, *weights_turned_ = nullptr;  ///< W with b as an extra row, and Wᵀ, packed
  Buffer logits_;        ///< a block; without gradients, a few columns of it
  Buffer row_tiles_;     ///< h of a block, and ones, in tiles of a few rows
  Buffer column_tiles_;  ///< h · factor, in tiles of a few columns
  Buffer sums_;          ///< of e, a panel of lanes a row
  /// A row: what exp subtracts, its correction, z and e of the target, 1 / Σe.
  Buffer reference_, factor_, target_, target_e_, inverse_;
};

}  // namespace timernn
