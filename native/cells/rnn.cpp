// The tanh RNN cell (Elman 1990, in the form of the design's section 2):
//
//   h_t = tanh(h_{t−1}·Wh + x_t·Wx + b)
//   dt = dh_t ⊙ (1 − h_t²);  db = Σ dt;  dWh = Σ h_{t−1}ᵀ·dt;  dh_{t−1} = dt·Whᵀ;  dWx = Σ x_tᵀ·dt;  dx_t =
//   dt·Wxᵀ
//
// Tensors: Wx D×H ~ U(±1/√D), Wh H×H orthogonal, b H zero.
// The input product and every weight gradient are one matrix product a window; only h·Wh and dt·Whᵀ go step
// by step.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"
#include "cell.h"

namespace timernn {
namespace {

enum Tensor { kWx, kWh, kB };

std::vector<TensorInfo> tensors(std::size_t D, std::size_t H) {
  return {{"Wx", {D, H}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(D))}},
          {"Wh", {H, H}, {InitKind::orthogonal}},
          {"b", {H}, {InitKind::zeros}}};
}

std::size_t ws_floats(const CellDims&) {
  return 0;
}
std::size_t scratch_floats(const CellDims& d) {
  return std::max(d.H * d.H, packed_floats(d.H, d.H));
}

// Packing Wh pays where it serves several steps of several rows; one row alone is a matrix-vector product.
bool packs(const CellDims& d) {
  return gemm_path() == GemmPath::packed && d.T > 1 && d.n > 1;
}

void forward(const CellForward& f) {
  const auto [T, n, D, H] = f.dims;
  const int rows = static_cast<int>(n), h = static_cast<int>(H);
  const std::size_t step = n * H;
  std::memcpy(f.hs, f.state, step * sizeof(float));
  float* z = f.hs + step;
  for (std::size_t r = 0; r < T * n; ++r) std::memcpy(z + r * H, f.params[kB], H * sizeof(float));
  gemm({z, f.xs, f.params[kWx], static_cast<int>(T * n), h, static_cast<int>(D), false, false, 1.0f});
  const bool packed = packs(f.dims);
  if (packed) pack({f.scratch, f.params[kWh], H, H, H});
  for (std::size_t t = 0; t < T; ++t) {
    if (packed) {
      gemm_packed({z + t * step, f.hs + t * step, f.scratch, n, H, H, H, H, true, true});
      continue;
    }
    gemm({z + t * step, f.hs + t * step, f.params[kWh], rows, h, h, false, false, 1.0f});
    kernels().tanh_inplace(z + t * step, step);
  }
  std::memcpy(f.state, f.hs + T * step, step * sizeof(float));
}

// dhs becomes dt, step by step from the last; dstate holds the gradient that flows back in time.
void backward_through_time(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t step = n * H;
  const int rows = static_cast<int>(n), h = static_cast<int>(H);
  const bool packed = packs(b.dims), turned = !packed && T > 1 && n > 1;
  if (packed) pack({b.scratch, b.params[kWh], H, H, H, true});
  // sgemm is fastest with the weights as they are multiplied: one transposition serves all T steps.
  if (turned) transpose(b.scratch, b.params[kWh], h, h);
  for (std::size_t t = T; t-- > 0;) {
    float* dt = b.dhs + t * step;
    kernels().tanh_backward(dt, b.dstate, b.hs + (t + 1) * step, step);
    if (packed) {
      gemm_packed({b.dstate, dt, b.scratch, n, H, H, H, H});
    } else {
      gemm({b.dstate, dt, turned ? b.scratch : b.params[kWh], rows, h, h, false, !turned});
    }
  }
}

void backward(const CellBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const int rows = static_cast<int>(T * n), h = static_cast<int>(H), d = static_cast<int>(D);
  backward_through_time(b);
  kernels().column_sums(b.grads[kB], b.dhs, T * n, H, false);
  gemm({b.grads[kWh], b.hs, b.dhs, h, h, rows, true, false});
  gemm({b.grads[kWx], b.xs, b.dhs, d, h, rows, true, false});
  if (b.dxs != nullptr) gemm({b.dxs, b.dhs, b.params[kWx], rows, d, h, false, true});
}

}  // namespace

extern const Cell rnn_cell;
const Cell rnn_cell = {"rnn", 1, tensors, ws_floats, scratch_floats, forward, backward};

}  // namespace timernn
