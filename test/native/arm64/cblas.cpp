// sgemm as its definition says it, row-major only, for tests where there is no OpenBLAS.
#include "cblas.h"

#include <cstddef>

void cblas_sgemm(CBLAS_ORDER, CBLAS_TRANSPOSE transA, CBLAS_TRANSPOSE transB, int m, int n, int k,
                 float alpha, const float* A, int lda, const float* B, int ldb, float beta, float* C,
                 int ldc) {
  const auto at = [](const float* x, bool turned, int ld, int row, int column) {
    return turned ? x[static_cast<std::ptrdiff_t>(column) * ld + row]
                  : x[static_cast<std::ptrdiff_t>(row) * ld + column];
  };
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      float sum = 0.0f;
      for (int l = 0; l < k; ++l)
        sum += at(A, transA == CblasTrans, lda, i, l) * at(B, transB == CblasTrans, ldb, l, j);
      float& c = C[static_cast<std::ptrdiff_t>(i) * ldc + j];
      c = beta == 0.0f ? alpha * sum
                       : alpha * sum + beta * c;  // beta = 0 does not read C, which may hold NaN
    }
  }
}
