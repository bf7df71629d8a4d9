// The output layer and its loss in one: logits = h·W + b, softmax cross-entropy, and all their gradients, in blocks
// of rows so that the logits of a window are never held at once.
// Refuses to do: labels to ignore (the layers API has them; inside a replica every position is predicted).
#pragma once

#include <cstddef>
#include <cstdint>

namespace timernn {

struct HeadDims {
  std::size_t M, H, V;  ///< rows (T·n), hidden size, vocabulary size
};

/// Rows in a block: about 8 MB of logits, so that they come back from the L3 cache, and at least 64 so that the product
/// packs W seldom.
std::size_t head_block_rows(const HeadDims& dims);

struct Head {
  const float *hs, *W, *b;       ///< M×H, H×V, V
  const std::uint32_t* targets;  ///< M, each below V
  float* logits;                 ///< scratch: head_block_rows × V
  HeadDims dims;
};

/// Sum of the negative log-likelihoods in nats.
double head_forward(const Head& head);

struct HeadGrads {
  float *dhs, *dW, *db;  ///< M×H, H×V, V: overwritten
  float scale;           ///< factor on every gradient, 1 / tokens for the mean
};
/// Loss and gradients.
double head_forward_backward(const Head& head, const HeadGrads& grads);

}  // namespace timernn
