// All weights of a model as the kernels read them: its layers' forms, then the output layer's.
// Refuses to do: memory. The caller has one buffer, its own or one that all workers share.
#pragma once

#include <cstddef>
#include <vector>

#include "spec.h"

namespace timernn {

/// Floats of the packed weights; 0 on the path that packs nothing (see gemm/packed.h).
std::size_t packed_model_floats(const ModelSpec& spec, bool trainable);

/// Packs the part-th of `parts` shares of every tensor. `tensors`: pointers in table order.
void pack_model(float* out, const float* const* tensors, const ModelSpec& spec, bool trainable,
                std::size_t part, std::size_t parts);

/// Where everything lies in the packed weights.
struct PackedModel {
  std::vector<std::vector<const float*>> layers;  ///< a layer's forms
  const float* head = nullptr;
};
PackedModel packed_model_views(const float* packed, const ModelSpec& spec, bool trainable);

}  // namespace timernn
