// Window-wide and step-wise products; see products.h.
#include "products.h"

#include <algorithm>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"
#include "cell.h"

namespace timernn {

void input_product(const InputProduct& p) {
  if (p.packed != nullptr) {
    gemm_packed({p.z, p.xs, p.packed, p.rows, p.G, p.D, p.G, p.D, false, false, p.b, p.scratch});
    return;
  }
  for (std::size_t r = 0; p.b != nullptr && r < p.rows; ++r) {
    std::memcpy(p.z + r * p.G, p.b, p.G * sizeof(float));
  }
  gemm({p.z, p.xs, p.Wx, static_cast<int>(p.rows), static_cast<int>(p.G), static_cast<int>(p.D), false, false,
        p.b == nullptr ? 0.0f : 1.0f});
}

std::size_t product_scratch_floats(std::size_t rows, std::size_t k) {
  return gemm_path() == GemmPath::packed ? gemm_scratch_floats(rows, k) : 0;
}

void weight_gradient(const WeightGradient& g, float* scratch) {
  if (gemm_path() == GemmPath::packed) {
    const OuterLeft left{g.dW, g.left, g.in, g.ldc, g.in};
    gemm_outer({&left, 1, g.dz, g.out, g.rows, g.ldz}, scratch);
  } else {
    gemm({g.dW, g.left, g.dz, static_cast<int>(g.in), static_cast<int>(g.out), static_cast<int>(g.rows), true,
          false, 0.0f, 0, static_cast<int>(g.ldz), static_cast<int>(g.ldc)});
  }
}

std::size_t weight_gradient_floats(std::size_t rows, std::size_t in, std::size_t out) {
  return gemm_path() == GemmPath::packed ? outer_scratch_floats(in, out, rows) : 0;
}

void input_gradients(const InputGradients& g) {
  if (g.db != nullptr) kernels().column_sums(g.db, g.dz, g.rows, g.G, false);
  if (gemm_path() == GemmPath::packed) {
    const OuterLeft lefts[] = {{g.dWx, g.xs, g.D, g.G, g.D}, {g.dWh, g.hs, g.H, g.G, g.H}};
    gemm_outer({lefts, g.dWh == nullptr ? 1u : 2u, g.dz, g.G, g.rows, g.G}, g.scratch);
  } else {
    weight_gradient({g.dWx, g.xs, g.dz, g.rows, g.D, g.G, g.G, g.G}, g.scratch);
    if (g.dWh != nullptr) weight_gradient({g.dWh, g.hs, g.dz, g.rows, g.H, g.G, g.G, g.G}, g.scratch);
  }
  if (g.dxs == nullptr) return;
  if (g.packed_back != nullptr) {
    gemm_packed({g.dxs, g.dz, g.packed_back, g.rows, g.D, g.G, g.D, g.G, false, false, nullptr, g.scratch});
  } else {
    gemm({g.dxs, g.dz, g.Wx, static_cast<int>(g.rows), static_cast<int>(g.D), static_cast<int>(g.G), false,
          true});
  }
}

LinearRows CellStep::rows(float* C, std::size_t ldc, const float* A, std::size_t lda,
                          std::size_t form) const {
  float* at = shared;
  for (std::size_t i = 0; i < form; ++i) at += forms[i].shared_floats(dims.n);
  return {C, ldc, A, lda, dims.n, nullptr, false, false, at, scratch};
}

StepProduct::StepProduct(float* scratch, const StepWeights& w, const CellDims& dims)
    : weights_(w), scratch_(scratch), n_(dims.n), form_(Form::as_stored) {
  if (dims.n == 1) return;
  if (w.packed != nullptr) {
    form_ = Form::packed;
  } else if (gemm_path() == GemmPath::blas && w.transposed && w.ld == w.in && dims.T > 1) {
    form_ = Form::turned;
    transpose(scratch, w.W, static_cast<int>(w.out), static_cast<int>(w.in));
  }
}

std::size_t StepProduct::floats(std::size_t n, std::size_t in, std::size_t out) {
  return gemm_path() == GemmPath::blas ? in * out : gemm_scratch_floats(n, in);
}

void StepProduct::operator()(const StepRows& r) const {
  const StepWeights& w = weights_;
  if (form_ == Form::packed) {
    gemm_packed({r.C, r.A, w.packed, n_, w.out, w.in, r.ldc, r.lda, r.accumulate, r.tanh, nullptr, scratch_});
    return;
  }
  const bool turned = form_ == Form::turned;
  gemm({r.C, r.A, turned ? scratch_ : w.W, static_cast<int>(n_), static_cast<int>(w.out),
        static_cast<int>(w.in), false, w.transposed && !turned, r.accumulate ? 1.0f : 0.0f,
        static_cast<int>(r.lda), static_cast<int>(turned ? w.out : w.ld), static_cast<int>(r.ldc)});
  if (!r.tanh) return;
  for (std::size_t i = 0; i < n_; ++i) kernels().tanh_inplace(r.C + i * r.ldc, w.out);
}

}  // namespace timernn
