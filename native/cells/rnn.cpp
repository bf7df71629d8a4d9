// The plain RNN cell (Elman 1990, in the form of the design's section 2), with f = tanh or relu:
//
//   h_t = f(h_{t−1}·Wh + x_t·Wx + b)
//   dt = dh_t ⊙ f'(h_t);  db = Σ dt;  dWh = Σ h_{t−1}ᵀ·dt;  dh_{t−1} = dt·Whᵀ;  dWx = Σ x_tᵀ·dt;  dx_t =
//   dt·Wxᵀ tanh: f' = 1 − h²      relu: f' = 1 where h > 0, else 0
//
// Tensors: Wx D×H ~ U(±1/√D), Wh H×H orthogonal, b H zero.
// The input product and every weight gradient are one matrix product a window; only h·Wh and dt·Whᵀ go step
// by step.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../math/kernels.h"
#include "cell.h"
#include "products.h"

namespace timernn {
namespace {

enum Tensor { kWx, kWh, kB };

enum class Activation { tanh, relu };

// relu bounds nothing: with the memory added to what Wh starts as, the state would grow from step to step.
template <Activation activation>
std::vector<TensorInfo> tensors(std::size_t D, std::size_t H) {
  return {{"Wx", {D, H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(D))}},
          {"Wh", {H, H}, {.kind = InitKind::orthogonal, .memory = activation == Activation::tanh}},
          {"b", {H}, {InitKind::zeros}}};
}

enum Form { kInput, kRecurrent, kInputBack, kRecurrentBack };

std::vector<WeightForm> forms(std::size_t H) {
  return {{kWx, 0, H, false}, {kWh, 0, H, false}, {kWx, 0, H, true}, {kWh, 0, H, true}};
}

std::size_t ws_floats(const CellDims&) {
  return 0;
}
std::size_t scratch_floats(const CellDims& d) {
  return std::max({StepProduct::floats(d.n, d.H, d.H), product_scratch_floats(d.T * d.n, d.D),
                   product_scratch_floats(d.T * d.n, d.H)});
}

template <Activation activation>
void forward(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  const std::size_t step = n * H;
  std::memcpy(f.hs, f.state, step * sizeof(float));
  input_product({f.hs + step, f.xs, f.params[kWx], packed_form(f.packed, kInput), f.params[kB], f.scratch,
                 T * n, D, H});
  const StepProduct recurrent(f.scratch, {f.params[kWh], packed_form(f.packed, kRecurrent), H, H, H}, f.dims);
  for (std::size_t t = 0; t < T; ++t) {
    float* h = f.hs + (t + 1) * step;
    recurrent({h, H, h - step, H, true, activation == Activation::tanh});
    if (activation == Activation::relu) kernels().relu_inplace(h, step);
  }
  std::memcpy(f.state, f.hs + T * step, step * sizeof(float));
}

// dhs becomes dt, step by step from the last; dstate holds the gradient that flows back in time.
template <Activation activation>
void backward(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t step = n * H;
  const StepProduct back(b.scratch, {b.params[kWh], packed_form(b.packed, kRecurrentBack), H, H, H, true},
                         b.dims);
  const auto through = activation == Activation::tanh ? kernels().tanh_backward : kernels().relu_backward;
  for (std::size_t t = T; t-- > 0;) {
    float* dt = b.dhs + t * step;
    through(dt, b.dstate, b.hs + (t + 1) * step, step);
    back({b.dstate, H, dt, H});
  }
  input_gradients(
      {b.dxs, b.grads[kB], b.dhs, b.params[kWx], packed_form(b.packed, kInputBack), b.scratch, T * n, D, H});
}

std::size_t weight_products(const CellDims& d, WeightProduct* out) {
  const WindowRows dt{WindowRows::In::dhs, 0, d.H, d.H};
  out[0] = {kWx, 0, d.H, {WindowRows::In::xs, 0, d.D, d.D}, dt};
  out[1] = {kWh, 0, d.H, {WindowRows::In::hs, 0, d.H, d.H}, dt};
  return 2;
}

std::size_t step_floats(const CellDims& d) {
  return d.n * d.H;
}

// Into a buffer of its own first: other threads still read h_{t−1}.
template <Activation activation>
void step(const CellStep& s, const Share& share) {
  const auto [T, n, D, H] = s.dims;
  LinearRows input = s.rows(s.work, H, s.x, D, kInput);
  input.bias = s.params[kB];
  s.forms[kInput].multiply(input, share);
  LinearRows recurrent = s.rows(s.work, H, s.state, H, kRecurrent);
  recurrent.accumulate = true;
  recurrent.tanh = activation == Activation::tanh;
  s.forms[kRecurrent].multiply(recurrent, share);
  share.sync();
  const std::size_t first = share.begin(n) * H, count = share.end(n) * H - first;
  if (activation == Activation::relu) kernels().relu_inplace(s.work + first, count);
  if (count > 0) std::memcpy(s.state + first, s.work + first, count * sizeof(float));
  share.sync();
}

}  // namespace

extern const Cell rnn_cell, rnn_relu_cell;
const Cell rnn_cell = {"rnn",
                       1,
                       tensors<Activation::tanh>,
                       forms,
                       ws_floats,
                       scratch_floats,
                       forward<Activation::tanh>,
                       backward<Activation::tanh>,
                       weight_products,
                       step_floats,
                       step<Activation::tanh>};
const Cell rnn_relu_cell = {"rnn-relu",
                            1,
                            tensors<Activation::relu>,
                            forms,
                            ws_floats,
                            scratch_floats,
                            forward<Activation::relu>,
                            backward<Activation::relu>,
                            weight_products,
                            step_floats,
                            step<Activation::relu>};

}  // namespace timernn
