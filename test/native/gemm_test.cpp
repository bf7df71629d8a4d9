// The wrapper around sgemm, and our own path for one row, against plain loops in double.
#include "gemm/gemm.h"

#include "helpers.h"

namespace timernn::test {
namespace {

struct Case4 {
  int m, n, k;
  bool transA, transB;
  float beta;
};

void check_product(const Case4& c, std::uint64_t seed) {
  Random random(seed);
  const auto m = static_cast<std::size_t>(c.m), n = static_cast<std::size_t>(c.n),
             k = static_cast<std::size_t>(c.k);
  const std::vector<float> A = random.floats(m * k, 1.0), B = random.floats(k * n, 1.0);
  // β = 0 overwrites: whatever stands in C, a NaN too, must not come through.
  const std::vector<float> before =
      c.beta == 0.0f ? std::vector<float>(m * n, NAN) : random.floats(m * n, 1.0);
  Guarded C(before, 1);
  gemm({C.data(), A.data(), B.data(), c.m, c.n, c.k, c.transA, c.transB, c.beta});
  CHECK(C.intact());
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = c.beta == 0.0f ? 0.0 : static_cast<double>(before[i * n + j]), size = std::fabs(sum);
      for (std::size_t l = 0; l < k; ++l) {
        const double term = static_cast<double>(c.transA ? A[l * m + i] : A[i * k + l]) *
                            static_cast<double>(c.transB ? B[j * k + l] : B[l * n + j]);
        sum += term;
        size += std::fabs(term);
      }
      CHECK_NEAR(C[i * n + j], sum, static_cast<double>(k + 2) * 0x1.0p-24 * size);
    }
  }
}

TEST("all transpositions, both betas, one row, odd sizes") {
  std::uint64_t seed = 0;
  for (int m : {1, 2, 3, 17, 64}) {
    for (int n : {1, 2, 5, 16, 33, 70}) {
      for (int k : {1, 3, 8, 31, 65}) {
        for (bool transA : {false, true}) {
          for (bool transB : {false, true}) {
            for (float beta : {0.0f, 1.0f}) check_product({m, n, k, transA, transB, beta}, ++seed);
          }
        }
      }
    }
  }
}

TEST("sizes that BLAS cuts into panels") {
  std::uint64_t seed = 1000;
  for (bool transA : {false, true}) {
    for (bool transB : {false, true}) check_product({129, 301, 513, transA, transB, 1.0f}, ++seed);
  }
  check_product({1, 1003, 517, false, true, 0.0f}, 1);
  check_product({1, 1003, 517, false, false, 0.0f}, 2);
}

// A part of the columns of wider matrices, as a gate is of a cell's weights: what lies between stays out.
TEST("leading dimensions") {
  std::uint64_t seed = 2000;
  for (int m : {1, 3, 17}) {
    for (int n : {1, 5, 33}) {
      for (bool transA : {false, true}) {
        for (bool transB : {false, true}) {
          Random random(++seed);
          const int k = 9, rows_a = transA ? k : m, cols_a = transA ? m : k, rows_b = transB ? n : k,
                    cols_b = transB ? k : n;
          const int lda = cols_a + 2, ldb = cols_b + 5, ldc = n + 3;
          const auto wide = [&random](int rows, int cols, int ld) {
            std::vector<float> x(static_cast<std::size_t>(rows * ld), NAN);
            for (int r = 0; r < rows; ++r) {
              for (int c = 0; c < cols; ++c)
                x[static_cast<std::size_t>(r * ld + c)] = static_cast<float>(random.uniform(-1.0, 1.0));
            }
            return x;
          };
          const std::vector<float> A = wide(rows_a, cols_a, lda), B = wide(rows_b, cols_b, ldb);
          std::vector<float> C(static_cast<std::size_t>(m * ldc), 3.0f);
          gemm({C.data(), A.data(), B.data(), m, n, k, transA, transB, 1.0f, lda, ldb, ldc});
          for (int i = 0; i < m; ++i) {
            for (int j = 0; j < ldc; ++j) {
              double sum = 3.0;
              for (int l = 0; j < n && l < k; ++l) {
                sum += static_cast<double>(A[static_cast<std::size_t>(transA ? l * lda + i : i * lda + l)]) *
                       static_cast<double>(B[static_cast<std::size_t>(transB ? j * ldb + l : l * ldb + j)]);
              }
              CHECK_NEAR(C[static_cast<std::size_t>(i * ldc + j)], sum, 1e-5);
            }
          }
        }
      }
    }
  }
}

TEST("no rows or no columns: nothing is touched") {
  float C = 5.0f, A = 1.0f, B = 1.0f;
  gemm({&C, &A, &B, 0, 1, 1});
  gemm({&C, &A, &B, 1, 0, 1});
  CHECK_EQ(C, 5.0f);
}

TEST("transpose, in and around its blocks") {
  for (int rows : {1, 2, 31, 32, 33, 70}) {
    for (int cols : {1, 3, 32, 65}) {
      const auto r = static_cast<std::size_t>(rows), c = static_cast<std::size_t>(cols);
      const std::vector<float> in = Random(r * 100 + c).floats(r * c, 1.0);
      Guarded out(r * c, 2);
      transpose(out.data(), in.data(), rows, cols);
      CHECK(out.intact());
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < r; ++i) {
        for (std::size_t j = 0; j < c; ++j) wrong += out[j * r + i] == in[i * c + j] ? 0 : 1;
      }
      CHECK_EQ(wrong, std::size_t{0});
    }
  }
}

TEST("BLAS is pinned to one thread, where it says so") {
  const BlasInfo info = blas_info();
  CHECK(info.threads == 1 || info.threads == -1);
}

}  // namespace
}  // namespace timernn::test
