// Forward, backward; see layer_replica.h.
#include "layer_replica.h"

#include <algorithm>
#include <cstring>

#include "../cells/products.h"

namespace timernn {

LayerReplica::LayerReplica(const Cell& cell, const CellDims& d)
    : cell_(cell),
      dims_(d),
      weights_({cell, d.D, d.H, true}),
      hs_((d.T + 1) * d.n * d.H),
      dhs_(d.T * d.n * d.H),
      dstate_(cell.states * d.n * d.H),
      ws_(cell.ws_floats(d)),
      scratch_(std::max(cell.scratch_floats(d), weight_product_floats(cell, d))) {}

void LayerReplica::window(const LayerWindow& w) {
  std::vector<const float*> forms;
  if (w.packed != nullptr) forms = weights_.forms(w.packed);
  const float* const* packed = forms.empty() ? nullptr : forms.data();
  cell_.forward({hs_.data(), w.state, w.xs, w.params, packed, ws_.data(), scratch_.data(), dims_});
  // A cell's backward destroys the gradient of its outputs; the caller keeps its own.
  std::memcpy(dhs_.data(), w.dhs, dhs_.size() * sizeof(float));
  std::memset(dstate_.data(), 0, dstate_.size() * sizeof(float));
  const CellBackward backward{w.dxs,    dstate_.data(), w.grads,    dhs_.data(),     hs_.data(), w.xs,
                              w.params, packed,         ws_.data(), scratch_.data(), dims_};
  cell_.backward(backward);
  weight_gradients(cell_, backward, scratch_.data());
}

}  // namespace timernn
