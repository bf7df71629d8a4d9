// Elementwise and vector kernels, one table an instruction set, all compiled from kernels.inl.
// Refuses to do: matrix-matrix products (see gemm/).
//
// Errors: exp at most 1.1 ulp on [-87, 88], tanh at most 1.4 ulp. Measured over all floats of these
// ranges: 1.010 and 1.330; test/native/math_test.cpp sweeps every 997th. A NaN stays a NaN. Polynomials: S.
// Moshier, Cephes 2.8, expf and tanhf.
#pragma once

#include <cstddef>
#include <cstdint>

namespace timernn {

/// One packed panel of B times all rows of A; see gemm/panel.inl.
struct PanelProduct {
  float* C;  ///< m×n at leading dimension ldc
  std::size_t ldc;
  const float* A;  ///< element (r, s) at A[r·a_row + s·a_step]
  std::size_t a_row, a_step;
  std::size_t a_block;  ///< 0, or: A itself lies in panels, and this is the distance from one to the next
  const float* B;       ///< k×panel, columns beyond n padded with anything
  std::size_t m, n, k;  ///< n at most the panel's width
  bool accumulate;      ///< C += instead of C =
  bool tanh;            ///< then C = tanh(C)
};

/// Softmax cross-entropy of a block of rows whose logits lie in panels: element (r, v) at
/// x[(v / panel · rows + r) · panel + v % panel].
struct SoftmaxPanels {
  float* x;             ///< logits; left as e = exp(z − max), with e[target] −= Σe where `gradient`
  std::size_t rows, n;  ///< n logits a row
  const std::uint32_t* targets;  ///< a row
  float* inverse;                ///< out, a row: 1 / Σe. The gradient of the logits is e · inverse
  float* scratch;                ///< 2 · rows · panel floats
  bool gradient;
};

struct Kernels {
  const char* isa;

  /// Columns of a packed panel, and rows of a register tile.
  std::size_t panel, tile;
  void (*gemm_panel)(const PanelProduct& g);

  /// x[i] = tanh(x[i]), i < n. In place.
  void (*tanh_inplace)(float* x, std::size_t n);
  /// x[i] = exp(x[i]), i < n; arguments are clamped to [-87.33, 88.37]. In place.
  void (*exp_inplace)(float* x, std::size_t n);
  /// dt[i] = (dt[i] + dh[i]) · (1 − h[i]²), i < n: the gradient before tanh. dt may not alias h.
  void (*tanh_backward)(float* dt, const float* dh, const float* h, std::size_t n);
  /// y[i] += x[i].
  void (*add)(float* y, const float* x, std::size_t n);
  /// p[i] -= a · g[i].
  void (*subtract_scaled)(float* p, const float* g, float a, std::size_t n);
  /// out[c] (+)= Σ_r x[r·n + c] over m rows; overwrites unless `accumulate`.
  void (*column_sums)(float* out, const float* x, std::size_t m, std::size_t n, bool accumulate);
  /// out[i] = Σ_s parts[s][i] in order of s; returns Σ out². `out` may be parts[0].
  double (*sum_and_square)(float* out, const float* const* parts, std::size_t count, std::size_t n);

  /// y[n] += x[k] · W (k×n row-major, leading dimension ld): the m = 1 product, at the speed of memory.
  void (*gemv)(float* y, const float* x, const float* W, std::size_t k, std::size_t n, std::size_t ld);
  /// y[n] += W (n×k row-major, leading dimension ld) · x[k].
  void (*gemv_t)(float* y, const float* x, const float* W, std::size_t n, std::size_t k, std::size_t ld);

  /// Softmax cross-entropy of one row. z = x + bias (bias may be null). Returns log Σ exp(z) − z[target] in
  /// nats. Where `gradient`, x is overwritten with (softmax(z) − onehot(target)) · scale; else x is left as
  /// scratch.
  float (*softmax_cross_entropy)(float* x, const float* bias, std::size_t n, std::size_t target, float scale,
                                 bool gradient);
  /// Sum of the losses of a block, in nats.
  double (*softmax_panels)(const SoftmaxPanels& g);
  /// x = softmax(x), in place.
  void (*softmax)(float* x, std::size_t n);

  /// `iterations` rounds of independent fused multiply-adds in registers; returns the floating-point
  /// operations done.
  double (*fma_probe)(std::uint64_t iterations, float* sink);
};

/// The table for this CPU, or for the set named by the environment variable TIMERNN_ISA if this CPU can run
/// it.
const Kernels& kernels();
/// The table of one instruction set (`generic`, `avx2`, `avx512`), null if not compiled in or not runnable
/// here.
const Kernels* kernels_for(const char* isa);

}  // namespace timernn
