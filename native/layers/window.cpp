// Batch-first to time-major and back around a cell; see window.h.
#include "window.h"

#include <algorithm>
#include <cstring>

#include "../cells/packed_weights.h"
#include "../cells/products.h"
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

namespace {
// A layer's weights, packed for one call; empty where nothing is packed, or where it would not pay.
struct OwnWeights {
  Buffer floats;
  std::vector<const float*> forms;

  OwnWeights(const LayerWeights& layer, const float* const* params, const CellDims& d) {
    if (!packs(d.T * d.n)) return;
    const PackedLayer packed(layer);
    floats = Buffer(packed.floats());
    packed.pack(floats.data(), params, 0, 1);
    forms = packed.forms(floats.data());
  }
  const float* const* data() const { return forms.empty() ? nullptr : forms.data(); }
};
}  // namespace

void layer_forward(const LayerForward& f) {
  const auto [T, n, D, H] = f.dims;
  Buffer xs(T * n * D), hs((T + 1) * n * H), scratch(f.cell.scratch_floats(f.dims));
  swap_axes(xs.data(), f.xs, n, T, D);
  const OwnWeights packed({f.cell, D, H, false}, f.params, f.dims);
  std::memcpy(f.end, f.state, f.cell.states * n * H * sizeof(float));
  f.cell.forward({hs.data(), f.end, xs.data(), f.params, packed.data(), f.ws, scratch.data(), f.dims});
  swap_axes(f.hs, hs.data() + n * H, T, n, H);
}

void layer_backward(const LayerBackward& b) {
  const auto [T, n, D, H] = b.dims;
  const std::size_t ws_floats = b.cell.ws_floats(b.dims);
  Buffer xs(T * n * D), dxs(T * n * D), hs((T + 1) * n * H), dhs(T * n * H), ws(ws_floats);
  Buffer scratch(std::max(b.cell.scratch_floats(b.dims), weight_product_floats(b.cell, b.dims)));
  swap_axes(xs.data(), b.xs, n, T, D);
  swap_axes(dhs.data(), b.dhs, n, T, H);
  std::memcpy(hs.data(), b.state, n * H * sizeof(float));  // h comes first
  swap_axes(hs.data() + n * H, b.hs, n, T, H);
  const OwnWeights packed({b.cell, D, H, true}, b.params, b.dims);
  // A cell's backward destroys ws, and the caller may want another one.
  if (ws_floats > 0) std::memcpy(ws.data(), b.ws, ws_floats * sizeof(float));
  std::memcpy(b.dstate, b.dnext, b.cell.states * n * H * sizeof(float));
  const CellBackward backward{dxs.data(), b.dstate,      b.grads,   dhs.data(),     hs.data(), xs.data(),
                              b.params,   packed.data(), ws.data(), scratch.data(), b.dims};
  b.cell.backward(backward);
  weight_gradients(b.cell, backward, scratch.data());
  swap_axes(b.dxs, dxs.data(), T, n, D);
}

}  // namespace timernn
