// A product without a state: h_t = x_t·W. It stands where a model needs one matrix between layers of
// different sizes, and is a cell so that whatever runs over layers runs over it too.
//
//   dW = Σ x_tᵀ·dh_t;  dx_t = dh_t·Wᵀ
//
// Tensor: W D×H ~ U(±1/√D).
#include <algorithm>
#include <cmath>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "cell.h"
#include "products.h"

namespace timernn {
namespace {

std::vector<TensorInfo> tensors(std::size_t D, std::size_t H) {
  return {{"W", {D, H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(D))}}};
}

enum Form { kInput, kInputBack };

std::vector<WeightForm> forms(std::size_t H) {
  return {{0, 0, H, false}, {0, 0, H, true}};
}

std::size_t ws_floats(const CellDims&) {
  return 0;
}
std::size_t scratch_floats(const CellDims& d) {
  return std::max(product_scratch_floats(d.T * d.n, d.D), product_scratch_floats(d.T * d.n, d.H));
}

// The first n rows of hs are a carried state for other cells; here nobody reads them.
void forward(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  input_product(
      {f.hs + n * H, f.xs, f.params[0], packed_form(f.packed, kInput), nullptr, f.scratch, T * n, D, H});
}

void backward(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  input_gradients(
      {b.dxs, nullptr, b.dhs, b.params[0], packed_form(b.packed, kInputBack), b.scratch, T * n, D, H});
}

std::size_t weight_products(const CellDims& d, WeightProduct* out) {
  out[0] = {0, 0, d.H, {WindowRows::In::xs, 0, d.D, d.D}, {WindowRows::In::dhs, 0, d.H, d.H}};
  return 1;
}

std::size_t step_floats(const CellDims&) {
  return 0;
}

void step(const CellStep& s, const Share& share) {
  s.forms[kInput].multiply(s.rows(s.out, s.dims.H, s.x, s.dims.D, kInput), share);
  share.sync();
}

}  // namespace

const Cell* projection_cell() {
  static constexpr Cell cell = {
      "projection", 0,        tensors,         forms,       ws_floats, scratch_floats,
      forward,      backward, weight_products, step_floats, step};
  return &cell;
}

}  // namespace timernn
