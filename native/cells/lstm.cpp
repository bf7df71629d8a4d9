// The LSTM cell with a forget gate (Gers, Schmidhuber, Cummins 2000), gates in PyTorch's order i, f, g, o:
//
//   [i f g o] = h_{t−1}·Wh + x_t·Wx + b, then i, f, o ← σ, g ← tanh
//   c_t = f ⊙ c_{t−1} + i ⊙ g;   h_t = o ⊙ tanh(c_t)
//
//   dc_t ← dc_t + dh_t ⊙ o ⊙ (1 − tanh²(c_t));   dc_{t−1} = dc_t ⊙ f
//   da = [dc ⊙ g ⊙ i(1−i),  dc ⊙ c_{t−1} ⊙ f(1−f),  dc ⊙ i ⊙ (1−g²),  dh ⊙ tanh(c) ⊙ o(1−o)]
//   dh_{t−1} = da·Whᵀ;  dWh = Σ h_{t−1}ᵀ·da;  dWx = Σ x_tᵀ·da;  db = Σ da;  dx_t = da·Wxᵀ
//
// Tensors: Wx D×4H ~ U(±1/√D), Wh H×4H ~ U(±1/√H), b 4H zero but for the forget gate's quarter, which is 1: a
// new cell remembers (Gers et al. 2000; Jozefowicz et al. 2015). State: h, then c.
// ws: gates T·n×4H (activated; backward leaves da there), c (T+1)·n×H. tanh(c) is cheaper to compute again
// than to keep.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../math/kernels.h"
#include "cell.h"
#include "products.h"

namespace timernn {
namespace {

enum Tensor { kWx, kWh, kB };

std::vector<TensorInfo> tensors(std::size_t D, std::size_t H) {
  return {{"Wx", {D, 4 * H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(D))}},
          {"Wh", {H, 4 * H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(H))}},
          {"b", {4 * H}, {InitKind::ones, 0.0f, H, 2 * H}}};
}

enum Form { kInput, kRecurrent, kInputBack, kRecurrentBack };

std::vector<WeightForm> forms(std::size_t H) {
  return {{kWx, 0, 4 * H, false}, {kWh, 0, 4 * H, false}, {kWx, 0, 4 * H, true}, {kWh, 0, 4 * H, true}};
}

std::size_t ws_floats(const CellDims& d) {
  return d.T * d.n * 4 * d.H + (d.T + 1) * d.n * d.H;
}
std::size_t scratch_floats(const CellDims& d) {
  return std::max({StepProduct::floats(d.n, d.H, 4 * d.H), StepProduct::floats(d.n, 4 * d.H, d.H),
                   product_scratch_floats(d.T * d.n, d.D), product_scratch_floats(d.T * d.n, 4 * d.H)});
}

void forward(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  const std::size_t step = n * H, bytes = step * sizeof(float);
  float *gates = f.ws, *cs = f.ws + T * 4 * step;
  std::memcpy(f.hs, f.state, bytes);
  std::memcpy(cs, f.state + step, bytes);
  input_product(
      {gates, f.xs, f.params[kWx], packed_form(f.packed, kInput), f.params[kB], f.scratch, T * n, D, 4 * H});
  const StepProduct recurrent(f.scratch, {f.params[kWh], packed_form(f.packed, kRecurrent), H, 4 * H, 4 * H},
                              f.dims);
  for (std::size_t t = 0; t < T; ++t) {
    float *a = gates + t * 4 * step, *h = f.hs + (t + 1) * step, *c = cs + (t + 1) * step;
    recurrent({a, 4 * H, h - step, H, true});
    kernels().lstm_forward({a, c, h, c - step, n, H});
  }
  std::memcpy(f.state, f.hs + T * step, bytes);
  std::memcpy(f.state + step, cs + T * step, bytes);
}

void backward(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t step = n * H;
  float *gates = b.ws, *dh = b.dstate, *dc = b.dstate + step;
  const float* cs = b.ws + T * 4 * step;
  const StepProduct back(
      b.scratch, {b.params[kWh], packed_form(b.packed, kRecurrentBack), 4 * H, H, 4 * H, true}, b.dims);
  for (std::size_t t = T; t-- > 0;) {
    float* da = gates + t * 4 * step;
    kernels().lstm_backward({da, dc, dh, b.dhs + t * step, cs + (t + 1) * step, cs + t * step, n, H});
    back({dh, H, da, 4 * H});
  }
  input_gradients({b.dxs, b.grads[kB], gates, b.params[kWx], packed_form(b.packed, kInputBack), b.scratch,
                   T * n, D, 4 * H});
}

std::size_t weight_products(const CellDims& d, WeightProduct* out) {
  const WindowRows da{WindowRows::In::ws, 0, 4 * d.H, 4 * d.H};
  out[0] = {kWx, 0, 4 * d.H, {WindowRows::In::xs, 0, d.D, d.D}, da};
  out[1] = {kWh, 0, 4 * d.H, {WindowRows::In::hs, 0, d.H, d.H}, da};
  return 2;
}

std::size_t step_floats(const CellDims& d) {
  return d.n * 4 * d.H;
}

void step(const CellStep& s, const Share& share) {
  const auto [T, n, D, H] = s.dims;
  float *gates = s.work, *h = s.state, *c = s.state + n * H;
  LinearRows input = s.rows(gates, 4 * H, s.x, D, kInput);
  input.bias = s.params[kB];
  s.forms[kInput].multiply(input, share);
  LinearRows recurrent = s.rows(gates, 4 * H, h, H, kRecurrent);
  recurrent.accumulate = true;
  s.forms[kRecurrent].multiply(recurrent, share);
  share.sync();
  const std::size_t first = share.begin(n), rows = share.end(n) - first;
  kernels().lstm_forward({gates + first * 4 * H, c + first * H, h + first * H, c + first * H, rows, H});
  share.sync();
}

}  // namespace

extern const Cell lstm_cell;
const Cell lstm_cell = {"lstm",  2,        tensors,         forms,       ws_floats, scratch_floats,
                        forward, backward, weight_products, step_floats, step};

}  // namespace timernn
