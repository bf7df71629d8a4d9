// The GRU cell (Cho et al. 2014), gates in PyTorch's order r, z, n, in two variants.
//
// `gru` resets after the recurrent product, so that one product serves all gates; PyTorch's and cuDNN's form:
//   u = h_{t−1}·Whn + bn;   r = σ(x·Wxr + h·Whr + br);   z = σ(x·Wxz + h·Whz + bz)
//   n = tanh(x·Wxn + bxn + r ⊙ u);   h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}
//
//   dz = dh ⊙ (h_{t−1} − n) ⊙ z(1−z);   dn = dh ⊙ (1−z) ⊙ (1−n²);   dr = dn ⊙ u ⊙ r(1−r)
//   da = [dr dz dn] at the input product;   dq = [dr dz dn⊙r] at the recurrent one
//   dh_{t−1} = dh ⊙ z + dq·Whᵀ;  dWh = Σ h_{t−1}ᵀ·dq;  dbn = Σ dn⊙r;  dWx = Σ x_tᵀ·da;  db = Σ da;  dx_t =
//   da·Wxᵀ
//
// `gru-reset-before` resets before it, as in the paper's later version (arXiv 1406.1078v3) and in the book:
//   n = tanh(x·Wxn + bn + (r ⊙ h_{t−1})·Whn), all else alike
//   d(rh) = dn·Whnᵀ;   dr = d(rh) ⊙ h_{t−1} ⊙ r(1−r)
//   dh_{t−1} = dh ⊙ z + d(rh) ⊙ r + [dr dz]·[Whr Whz]ᵀ;   dWhn = Σ (r ⊙ h_{t−1})ᵀ·dn
// The book writes 1 − z where both variants write z: its z columns of Wx, Wh and b are ours with the sign
// turned.
//
// Tensors: Wx D×3H ~ U(±1/√D), Wh H×3H ~ U(±1/√H), b 3H zero, and for `gru` bn H zero. State: h.
// ws: gates T·n×3H (activated; backward leaves da there); then for `gru` h·Wh + [0 0 bn], T·n×3H (backward
// leaves dq there), for `gru-reset-before` r ⊙ h_{t−1}, T·n×H.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../math/kernels.h"
#include "cell.h"
#include "products.h"

namespace timernn {
namespace {

enum Tensor { kWx, kWh, kB, kBn };

std::vector<TensorInfo> tensors_before(std::size_t D, std::size_t H) {
  return {{"Wx", {D, 3 * H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(D))}},
          {"Wh", {H, 3 * H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(H))}},
          {"b", {3 * H}, {InitKind::zeros}}};
}
std::vector<TensorInfo> tensors_after(std::size_t D, std::size_t H) {
  std::vector<TensorInfo> table = tensors_before(D, H);
  table.push_back({"bn", {H}, {InitKind::zeros}});
  return table;
}

// ---- reset after ----

enum Form { kInput, kRecurrent, kInputBack, kRecurrentBack };

std::vector<WeightForm> forms_after(std::size_t H) {
  return {{kWx, 0, 3 * H, false}, {kWh, 0, 3 * H, false}, {kWx, 0, 3 * H, true}, {kWh, 0, 3 * H, true}};
}

std::size_t ws_after(const CellDims& d) {
  return d.T * d.n * 6 * d.H;
}
std::size_t scratch_after(const CellDims& d) {
  return std::max({StepProduct::floats(d.n, d.H, 3 * d.H), StepProduct::floats(d.n, 3 * d.H, d.H), 3 * d.H,
                   product_scratch_floats(d.T * d.n, d.D), product_scratch_floats(d.T * d.n, 3 * d.H)});
}

void forward_after(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  const std::size_t step = n * H;
  float *gates = f.ws, *products = f.ws + T * 3 * step;
  std::memcpy(f.hs, f.state, step * sizeof(float));
  input_product(
      {gates, f.xs, f.params[kWx], packed_form(f.packed, kInput), f.params[kB], f.scratch, T * n, D, 3 * H});
  const StepProduct recurrent(f.scratch, {f.params[kWh], packed_form(f.packed, kRecurrent), H, 3 * H, 3 * H},
                              f.dims);
  for (std::size_t t = 0; t < T; ++t) {
    float *a = gates + t * 3 * step, *q = products + t * 3 * step, *h = f.hs + (t + 1) * step;
    recurrent({q, 3 * H, h - step, H});
    kernels().gru_forward({a, q, h, h - step, f.params[kBn], n, H});
  }
  std::memcpy(f.state, f.hs + T * step, step * sizeof(float));
}

// dbn is the sum of the n third of dq. The column sums of all of dq go to scratch: they cost less than a
// kernel for a third.
void recurrent_bias_gradient(const CellBackward& b, const float* dq) {
  const auto [T, n, D, H] = b.dims;
  kernels().column_sums(b.scratch, dq, T * n, 3 * H, false);
  std::memcpy(b.grads[kBn], b.scratch + 2 * H, H * sizeof(float));
}

void backward_after(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t step = n * H;
  float *gates = b.ws, *products = b.ws + T * 3 * step, *dh = b.dstate;
  const StepProduct back(
      b.scratch, {b.params[kWh], packed_form(b.packed, kRecurrentBack), 3 * H, H, 3 * H, true}, b.dims);
  for (std::size_t t = T; t-- > 0;) {
    float *da = gates + t * 3 * step, *dq = products + t * 3 * step;
    kernels().gru_backward({da, dq, dh, b.dhs + t * step, b.hs + t * step, n, H});
    back({dh, H, dq, 3 * H, true});
  }
  recurrent_bias_gradient(b, products);
  input_gradients({b.dxs, b.grads[kB], gates, b.params[kWx], packed_form(b.packed, kInputBack), b.scratch,
                   T * n, D, 3 * H});
}

std::size_t weight_products_after(const CellDims& d, WeightProduct* out) {
  const std::size_t G = 3 * d.H;
  out[0] = {kWh, 0, G, {WindowRows::In::hs, 0, d.H, d.H}, {WindowRows::In::ws, d.T * d.n * G, G, G}};
  out[1] = {kWx, 0, G, {WindowRows::In::xs, 0, d.D, d.D}, {WindowRows::In::ws, 0, G, G}};
  return 2;
}

std::size_t step_after_floats(const CellDims& d) {
  return d.n * 6 * d.H;
}

void step_after(const CellStep& s, const Share& share) {
  const auto [T, n, D, H] = s.dims;
  float *gates = s.work, *product = s.work + n * 3 * H, *h = s.state;
  LinearRows input = s.rows(gates, 3 * H, s.x, D, kInput);
  input.bias = s.params[kB];
  s.forms[kInput].multiply(input, share);
  s.forms[kRecurrent].multiply(s.rows(product, 3 * H, h, H, kRecurrent), share);
  share.sync();
  const std::size_t first = share.begin(n), rows = share.end(n) - first;
  kernels().gru_forward(
      {gates + first * 3 * H, product + first * 3 * H, h + first * H, h + first * H, s.params[kBn], rows, H});
  share.sync();
}

// ---- reset before ----

std::size_t ws_before(const CellDims& d) {
  return d.T * d.n * 4 * d.H;
}
// Wh is multiplied in two parts, [Whr Whz] and Whn; the way back has the gradient at r ⊙ h besides.
enum FormBefore { kInputB, kResetUpdate, kCandidate, kInputBackB, kResetUpdateBack, kCandidateBack };

std::vector<WeightForm> forms_before(std::size_t H) {
  return {{kWx, 0, 3 * H, false}, {kWh, 0, 2 * H, false}, {kWh, 2 * H, H, false},
          {kWx, 0, 3 * H, true},  {kWh, 0, 2 * H, true},  {kWh, 2 * H, H, true}};
}

std::size_t scratch_before(const CellDims& d) {
  const std::size_t H = d.H, rows = d.T * d.n;
  return std::max({StepProduct::floats(d.n, H, 2 * H) + StepProduct::floats(d.n, H, H),
                   StepProduct::floats(d.n, 2 * H, H) + StepProduct::floats(d.n, H, H) + d.n * H,
                   product_scratch_floats(rows, d.D), product_scratch_floats(rows, 3 * H)});
}

void forward_before(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  const std::size_t step = n * H;
  float *gates = f.ws, *resets = f.ws + T * 3 * step;
  std::memcpy(f.hs, f.state, step * sizeof(float));
  input_product(
      {gates, f.xs, f.params[kWx], packed_form(f.packed, kInputB), f.params[kB], f.scratch, T * n, D, 3 * H});
  const float* Wh = f.params[kWh];
  const StepProduct reset_update(f.scratch, {Wh, packed_form(f.packed, kResetUpdate), H, 2 * H, 3 * H},
                                 f.dims);
  const StepProduct candidate(f.scratch + StepProduct::floats(n, H, 2 * H),
                              {Wh + 2 * H, packed_form(f.packed, kCandidate), H, H, 3 * H}, f.dims);
  for (std::size_t t = 0; t < T; ++t) {
    float *a = gates + t * 3 * step, *rh = resets + t * step, *h = f.hs + (t + 1) * step;
    const GruStep s{a, rh, h, h - step, nullptr, n, H};
    reset_update({a, 3 * H, h - step, H, true});
    kernels().gru_reset(s);
    candidate({a + 2 * H, 3 * H, rh, H, true});
    kernels().gru_output(s);
  }
  std::memcpy(f.state, f.hs + T * step, step * sizeof(float));
}

void backward_before(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t step = n * H;
  const float* Wh = b.params[kWh];
  float *gates = b.ws, *dh = b.dstate, *drh = b.scratch, *weights = b.scratch + step;
  const StepProduct reset_update(
      weights, {Wh, packed_form(b.packed, kResetUpdateBack), 2 * H, H, 3 * H, true}, b.dims);
  const StepProduct candidate(weights + StepProduct::floats(n, 2 * H, H),
                              {Wh + 2 * H, packed_form(b.packed, kCandidateBack), H, H, 3 * H, true}, b.dims);
  for (std::size_t t = T; t-- > 0;) {
    float* da = gates + t * 3 * step;
    const GruStepBackward s{da, drh, dh, b.dhs + t * step, b.hs + t * step, n, H};
    kernels().gru_output_backward(s);
    candidate({drh, H, da + 2 * H, 3 * H});
    kernels().gru_reset_backward(s);
    reset_update({dh, H, da, 3 * H, true});
  }
  input_gradients({b.dxs, b.grads[kB], gates, b.params[kWx], packed_form(b.packed, kInputBackB), b.scratch,
                   T * n, D, 3 * H});
}

std::size_t weight_products_before(const CellDims& d, WeightProduct* out) {
  const std::size_t H = d.H, G = 3 * H;
  const WindowRows resets{WindowRows::In::ws, d.T * d.n * G, H, H};
  out[0] = {kWh, 0, G, {WindowRows::In::hs, 0, H, H}, {WindowRows::In::ws, 0, 2 * H, G}};
  out[1] = {kWh, 2 * H, G, resets, {WindowRows::In::ws, 2 * H, H, G}};
  out[2] = {kWx, 0, G, {WindowRows::In::xs, 0, d.D, d.D}, {WindowRows::In::ws, 0, G, G}};
  return 3;
}

std::size_t step_before_floats(const CellDims& d) {
  return d.n * 4 * d.H;
}

void step_before(const CellStep& s, const Share& share) {
  const auto [T, n, D, H] = s.dims;
  float *gates = s.work, *reset = s.work + n * 3 * H, *h = s.state;
  LinearRows input = s.rows(gates, 3 * H, s.x, D, kInputB);
  input.bias = s.params[kB];
  s.forms[kInputB].multiply(input, share);
  // The products that follow have other columns of the gates.
  share.sync();
  LinearRows reset_update = s.rows(gates, 3 * H, h, H, kResetUpdate);
  reset_update.accumulate = true;
  s.forms[kResetUpdate].multiply(reset_update, share);
  share.sync();
  const std::size_t first = share.begin(n), rows = share.end(n) - first;
  const GruStep part{
      gates + first * 3 * H, reset + first * H, h + first * H, h + first * H, nullptr, rows, H};
  kernels().gru_reset(part);
  share.sync();
  LinearRows candidate = s.rows(gates + 2 * H, 3 * H, reset, H, kCandidate);
  candidate.accumulate = true;
  s.forms[kCandidate].multiply(candidate, share);
  share.sync();
  kernels().gru_output(part);
  share.sync();
}

}  // namespace

extern const Cell gru_cell, gru_reset_before_cell;
const Cell gru_cell = {"gru",
                       1,
                       tensors_after,
                       forms_after,
                       ws_after,
                       scratch_after,
                       forward_after,
                       backward_after,
                       weight_products_after,
                       step_after_floats,
                       step_after};
const Cell gru_reset_before_cell = {"gru-reset-before",
                                    1,
                                    tensors_before,
                                    forms_before,
                                    ws_before,
                                    scratch_before,
                                    forward_before,
                                    backward_before,
                                    weight_products_before,
                                    step_before_floats,
                                    step_before};

}  // namespace timernn
