// Batch-first to time-major and back around the rnn cell; see window.h.
#include "window.h"

#include <cstring>

#include "../core/buffer.h"

namespace timernn {

namespace {
// out[t][i] = in[i][t] for blocks of `width` floats; outer×inner → inner×outer.
void swap_axes(float* out, const float* in, std::size_t outer, std::size_t inner, std::size_t width) {
  for (std::size_t i = 0; i < outer; ++i) {
    for (std::size_t t = 0; t < inner; ++t) {
      std::memcpy(out + (t * outer + i) * width, in + (i * inner + t) * width, width * sizeof(float));
    }
  }
}
}  // namespace

void layer_forward(const LayerForward& f) {
  const auto [T, n, D, H] = f.dims;
  const Cell& cell = *find_cell("rnn");
  Buffer xs(T * n * D), hs((T + 1) * n * H), state(n * H), ws(cell.ws_floats(f.dims)),
      scratch(cell.scratch_floats(f.dims));
  swap_axes(xs.data(), f.xs, n, T, D);
  std::memcpy(state.data(), f.h0, n * H * sizeof(float));
  cell.forward({hs.data(), state.data(), xs.data(), f.params, ws.data(), scratch.data(), f.dims});
  swap_axes(f.hs, hs.data() + n * H, T, n, H);
}

void layer_backward(const LayerBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const Cell& cell = *find_cell("rnn");
  Buffer xs(T * n * D), dxs(T * n * D), hs((T + 1) * n * H), dhs(T * n * H), ws(cell.ws_floats(b.dims));
  Buffer scratch(cell.scratch_floats(b.dims));
  swap_axes(xs.data(), b.xs, n, T, D);
  swap_axes(dhs.data(), b.dhs, n, T, H);
  std::memcpy(hs.data(), b.h0, n * H * sizeof(float));
  swap_axes(hs.data() + n * H, b.hs, n, T, H);
  std::memcpy(b.dh0, b.dh_next, n * H * sizeof(float));
  cell.backward({dxs.data(), b.dh0, b.grads, dhs.data(), hs.data(), xs.data(), b.params, ws.data(),
                 scratch.data(), b.dims});
  swap_axes(b.dxs, dxs.data(), T, n, D);
}

}  // namespace timernn
