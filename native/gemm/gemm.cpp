// sgemm through CBLAS, and the m = 1 case through our own kernels; see gemm.h.
#include "gemm.h"

#include <cblas.h>

#include <algorithm>
#include <cstring>

#include "../math/kernels.h"

namespace timernn {

namespace {
void row_product(const Gemm& g, int ldb) {
  const auto n = static_cast<std::size_t>(g.n), k = static_cast<std::size_t>(g.k),
             ld = static_cast<std::size_t>(ldb);
  if (g.beta == 0.0f) std::memset(g.C, 0, n * sizeof(float));
  if (g.transB) {
    kernels().gemv_t(g.C, g.A, g.B, n, k, ld);
  } else {
    kernels().gemv(g.C, g.A, g.B, k, n, ld);
  }
}
}  // namespace

void gemm(const Gemm& g) {
  if (g.m <= 0 || g.n <= 0) return;
  const int lda = g.lda != 0 ? g.lda : g.transA ? g.m : g.k, ldb = g.ldb != 0 ? g.ldb : g.transB ? g.k : g.n;
  // With one row, A and Aᵀ are the same k numbers, unless there are others between them.
  if (g.m == 1 && (!g.transA || lda == 1)) return row_product(g, ldb);
  cblas_sgemm(CblasRowMajor, g.transA ? CblasTrans : CblasNoTrans, g.transB ? CblasTrans : CblasNoTrans, g.m,
              g.n, g.k, 1.0f, g.A, lda, g.B, ldb, g.beta, g.C, g.ldc != 0 ? g.ldc : g.n);
}

void transpose(float* out, const float* in, int rows, int cols) {
  constexpr int kBlock = 32;
  for (int r0 = 0; r0 < rows; r0 += kBlock) {
    for (int c0 = 0; c0 < cols; c0 += kBlock) {
      const int r1 = std::min(rows, r0 + kBlock), c1 = std::min(cols, c0 + kBlock);
      for (int c = c0; c < c1; ++c) {
        for (int r = r0; r < r1; ++r)
          out[static_cast<std::size_t>(c) * rows + r] = in[static_cast<std::size_t>(r) * cols + c];
      }
    }
  }
}

#ifdef TIMERNN_OPENBLAS
BlasInfo blas_info() {
  return {openblas_get_config(), openblas_get_corename(), openblas_get_parallel(),
          openblas_get_num_threads()};
}
void blas_single_thread() {
  openblas_set_num_threads(1);
}
#else
BlasInfo blas_info() {
  return {};
}
void blas_single_thread() {}
#endif

}  // namespace timernn
