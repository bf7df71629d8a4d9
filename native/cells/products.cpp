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

const float* rows_of(const CellBackward& b, const WindowRows& rows) {
  switch (rows.in) {
    case WindowRows::In::xs:
      return b.xs + rows.at;
    case WindowRows::In::hs:
      return b.hs + rows.at;
    case WindowRows::In::dhs:
      return b.dhs + rows.at;
    case WindowRows::In::ws:
      break;
  }
  return b.ws + rows.at;
}

bool same_rows(const WindowRows& a, const WindowRows& b) {
  return a.in == b.in && a.at == b.at && a.width == b.width && a.ld == b.ld;
}

namespace {
// dW of one or two products with the same right factor.
void multiply_together(const WeightProduct* products, std::size_t count, const CellBackward& b,
                       float* scratch) {
  const std::size_t rows = b.dims.T * b.dims.n;
  const WindowRows& right = products->right;
  const float* dz = rows_of(b, right);
  OuterLeft lefts[2];
  for (std::size_t i = 0; i < count; ++i) {
    const WeightProduct& p = products[i];
    lefts[i] = {b.grads[p.tensor] + p.first, rows_of(b, p.left), p.left.width, p.ld, p.left.ld};
  }
  if (gemm_path() == GemmPath::packed) {
    gemm_outer({lefts, count, dz, right.width, rows, right.ld}, scratch);
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const OuterLeft& l = lefts[i];
    gemm({l.C, l.A, dz, static_cast<int>(l.m), static_cast<int>(right.width), static_cast<int>(rows), true,
          false, 0.0f, static_cast<int>(l.lda), static_cast<int>(right.ld), static_cast<int>(l.ldc)});
  }
}
}  // namespace

void weight_gradients(const Cell& cell, const CellBackward& b, float* scratch) {
  WeightProduct products[kMostWeightProducts];
  const std::size_t count = cell.weight_products(b.dims, products);
  for (std::size_t i = 0; i < count;) {
    const std::size_t together = i + 1 < count && same_rows(products[i].right, products[i + 1].right) ? 2 : 1;
    multiply_together(products + i, together, b, scratch);
    i += together;
  }
}

std::size_t weight_product_floats(const Cell& cell, const CellDims& d) {
  if (gemm_path() != GemmPath::packed) return 0;
  WeightProduct products[kMostWeightProducts];
  const std::size_t count = cell.weight_products(d, products);
  std::size_t floats = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const WeightProduct& p = products[i];
    floats = std::max(floats, outer_scratch_floats(p.left.width, p.right.width, d.T * d.n));
  }
  return floats;
}

void input_gradients(const InputGradients& g) {
  if (g.db != nullptr) kernels().column_sums(g.db, g.dz, g.rows, g.G, false);
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
