// The weights of a layer as the kernels read them: every form that its cell multiplies with, packed one after
// the other. Weights change once a window, so packing once a window serves all its steps, and one copy all
// workers. Refuses to do: deciding whether to pack.
#pragma once

#include <cstddef>
#include <vector>

#include "cell.h"

namespace timernn {

struct LayerWeights {
  const Cell& cell;
  std::size_t D, H;
  bool trainable;  ///< with the transposed forms, which only the way back needs
};

/// Floats of all forms.
std::size_t packed_layer_floats(const LayerWeights& layer);

/// Where each form starts, in the cell's order.
std::vector<const float*> packed_layer_forms(const float* packed, const LayerWeights& layer);

/// Packs the part-th of `parts` shares of every form, so that workers can divide the work.
void pack_layer(float* out, const float* const* params, const LayerWeights& layer, std::size_t part,
                std::size_t parts);

}  // namespace timernn
