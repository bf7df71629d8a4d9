// y = x·W + b and its gradients; see affine.h.
#include "affine.h"

#include <cstring>

#include "../gemm/gemm.h"
#include "../math/kernels.h"

namespace timernn {

void affine_forward(float* y, const float* x, const float* W, const float* b, const AffineDims& d) {
  for (std::size_t r = 0; r < d.M; ++r) std::memcpy(y + r * d.O, b, d.O * sizeof(float));
  gemm({y, x, W, static_cast<int>(d.M), static_cast<int>(d.O), static_cast<int>(d.I), false, false, 1.0f});
}

void affine_backward(const AffineGrads& g, const float* dy, const float* x, const float* W,
                     const AffineDims& d) {
  const int m = static_cast<int>(d.M), in = static_cast<int>(d.I), out = static_cast<int>(d.O);
  gemm({g.dx, dy, W, m, in, out, false, true});
  gemm({g.dW, x, dy, in, out, m, true, false});
  kernels().column_sums(g.db, dy, d.M, d.O, false);
}

}  // namespace timernn
