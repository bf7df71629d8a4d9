// Matrix products. The only place of the project that calls BLAS.
// Refuses to do: threads. A product runs on the calling thread; parallelism is over shards (see train/).
#pragma once

#include <string>

namespace timernn {

struct Gemm {
  float* C;        ///< m×n, row-major
  const float* A;  ///< m×k, or k×m where transA
  const float* B;  ///< k×n, or n×k where transB
  int m, n, k;
  bool transA = false, transB = false;
  float beta = 0.0f;              ///< 0 overwrites C, 1 accumulates onto it
  int lda = 0, ldb = 0, ldc = 0;  ///< floats from row to row as stored; 0 = no gap between rows
};

/// C = op(A)·op(B) + beta·C. C aliases neither input. Products with m = 1 take our own matrix-vector kernel,
/// since sgemm packs the whole weight matrix for one row (4 GFLOP/s against the speed of memory).
void gemm(const Gemm& g);

/// Bᵀ (cols×rows) from B (rows×cols), both row-major and packed.
void transpose(float* out, const float* in, int rows, int cols);

struct BlasInfo {
  std::string config, core;
  int parallel = -1, threads = -1;
};
BlasInfo blas_info();
/// Pins BLAS to one thread a call; called once when the addon is loaded, and by each test binary.
void blas_single_thread();

}  // namespace timernn
