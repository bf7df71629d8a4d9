// Softmax with cross-entropy over given logits, with labels that do not count: the loss of the layers API.
// Refuses to do: the output product (see softmax_head.h, which fuses it for the replica).
#pragma once

#include <cstddef>
#include <cstdint>

namespace timernn {

struct LossDims {
  std::size_t M, V;  ///< rows, classes
};

/// probs (M×V, overwritten) = softmax(logits) row by row. Returns the mean of −log p[label] in nats over the
/// rows whose label is not `ignore`; 0 where none counts. A label outside [0, V) that is not `ignore` throws
/// ERR_TIMERNN_TOKEN.
double softmax_loss_forward(float* probs, const float* logits, const std::int32_t* labels,
                            std::int32_t ignore, const LossDims& dims);
/// dlogits (M×V, overwritten) = dout · (probs − onehot(label)) / counted rows; zero in ignored rows.
void softmax_loss_backward(float* dlogits, const float* probs, const std::int32_t* labels,
                           std::int32_t ignore, float dout, const LossDims& dims);

}  // namespace timernn
