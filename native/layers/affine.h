// Affine layer: y = x·W + b. Refuses to do: activation.
#pragma once

#include <cstddef>

namespace timernn {

struct AffineDims {
  std::size_t M, I, O;  ///< rows, input size, output size
};

/// y (M×O) = x (M×I) · W (I×O) + b (O). Overwrites y.
void affine_forward(float* y, const float* x, const float* W, const float* b, const AffineDims& dims);
struct AffineGrads {
  float *dx, *dW, *db;  ///< M×I, I×O, O: overwritten
};
/// dx = dy·Wᵀ, dW = xᵀ·dy, db = Σ dy.
void affine_backward(const AffineGrads& out, const float* dy, const float* x, const float* W,
                     const AffineDims& dims);

}  // namespace timernn
