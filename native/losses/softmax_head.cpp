// Blocks of rows through product, softmax and the two gradient products; see softmax_head.h.
#include "softmax_head.h"

#include <algorithm>

#include "../gemm/gemm.h"
#include "../math/kernels.h"

namespace timernn {

std::size_t head_block_rows(const HeadDims& d) {
  const std::size_t fit = (std::size_t{8} << 20) / (d.V * sizeof(float));
  return std::min(d.M, std::max<std::size_t>(64, fit));
}

namespace {
// Logits and softmax of rows [first, first + count); the bias is added inside the softmax pass.
double block(const Head& head, std::size_t first, std::size_t count, float scale, bool gradient) {
  const HeadDims& d = head.dims;
  gemm({head.logits, head.hs + first * d.H, head.W, static_cast<int>(count), static_cast<int>(d.V),
        static_cast<int>(d.H)});
  double loss = 0.0;
  for (std::size_t r = 0; r < count; ++r) {
    loss += static_cast<double>(kernels().softmax_cross_entropy(head.logits + r * d.V, head.b, d.V,
                                                                head.targets[first + r], scale, gradient));
  }
  return loss;
}
}  // namespace

double head_forward(const Head& head) {
  const std::size_t rows = head_block_rows(head.dims);
  double loss = 0.0;
  for (std::size_t first = 0; first < head.dims.M; first += rows) {
    loss += block(head, first, std::min(rows, head.dims.M - first), 0.0f, false);
  }
  return loss;
}

double head_forward_backward(const Head& head, const HeadGrads& g) {
  const HeadDims& d = head.dims;
  const std::size_t rows = head_block_rows(d);
  const int v = static_cast<int>(d.V), h = static_cast<int>(d.H);
  double loss = 0.0;
  for (std::size_t first = 0; first < d.M; first += rows) {
    const std::size_t count = std::min(rows, d.M - first);
    const int m = static_cast<int>(count);
    const float* hs = head.hs + first * d.H;
    loss += block(head, first, count, g.scale, true);
    gemm({g.dW, hs, head.logits, h, v, m, true, false, first == 0 ? 0.0f : 1.0f});
    kernels().column_sums(g.db, head.logits, count, d.V, first != 0);
    gemm({g.dhs + first * d.H, head.logits, head.W, m, h, v, false, true});
  }
  return loss;
}

}  // namespace timernn
