// Row by row; see softmax_cross_entropy.h.
#include "softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "../core/error.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
bool counts(std::int32_t label, std::int32_t ignore, std::size_t V) {
  if (label == ignore) return false;
  if (label < 0 || static_cast<std::size_t>(label) >= V) {
    throw Error("ERR_TIMERNN_TOKEN", "Expected labels in [0, " + std::to_string(V) +
                                         ") or the ignored label " + std::to_string(ignore) + ", got " +
                                         std::to_string(label));
  }
  return true;
}
}  // namespace

double softmax_loss_forward(float* probs, const float* logits, const std::int32_t* labels,
                            std::int32_t ignore, const LossDims& d) {
  double loss = 0.0;
  std::size_t counted = 0;
  for (std::size_t r = 0; r < d.M; ++r) {
    const float* z = logits + r * d.V;
    float* p = probs + r * d.V;
    std::memcpy(p, z, d.V * sizeof(float));
    const bool counting = counts(labels[r], ignore, d.V);
    // The loss comes from the logits, not from the probability, which may have underflowed to zero.
    if (counting) {
      loss += static_cast<double>(
          kernels().softmax_cross_entropy(p, nullptr, d.V, static_cast<std::size_t>(labels[r]), 0.0f, false));
      std::memcpy(p, z, d.V * sizeof(float));
      ++counted;
    }
    kernels().softmax(p, d.V);
  }
  return counted == 0 ? 0.0 : loss / static_cast<double>(counted);
}

void softmax_loss_backward(float* dlogits, const float* probs, const std::int32_t* labels,
                           std::int32_t ignore, float dout, const LossDims& d) {
  std::size_t counted = 0;
  for (std::size_t r = 0; r < d.M; ++r) counted += counts(labels[r], ignore, d.V) ? 1 : 0;
  std::memset(dlogits, 0, d.M * d.V * sizeof(float));
  if (counted == 0) return;
  const float scale = dout / static_cast<float>(counted);
  for (std::size_t r = 0; r < d.M; ++r) {
    if (labels[r] == ignore) continue;
    float* out = dlogits + r * d.V;
    for (std::size_t c = 0; c < d.V; ++c) out[c] = probs[r * d.V + c] * scale;
    out[labels[r]] -= scale;
  }
}

}  // namespace timernn
