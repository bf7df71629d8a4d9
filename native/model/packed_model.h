// All weights of a model as the kernels read them: its layers' forms, then the output layer's.
// Refuses to do: memory. The caller has one buffer, its own or one that all workers share.
#pragma once

#include <cstddef>
#include <vector>

#include "../cells/packed_weights.h"
#include "spec.h"

namespace timernn {

/// What there is to pack for a model. Made once; packing allocates nothing.
class PackedModel {
 public:
  PackedModel() = default;
  PackedModel(const ModelSpec& spec, bool trainable);

  std::size_t floats() const { return floats_; }
  /// Packs the part-th of `parts` shares of every tensor. `tensors`: pointers in table order.
  void pack(float* out, const float* const* tensors, std::size_t part, std::size_t parts) const;

  /// Where everything lies in the packed weights; empty before they are.
  struct View {
    std::vector<std::vector<const float*>> layers;  ///< a layer's forms
    const float* head = nullptr;
  };
  View view(const float* packed) const;

 private:
  struct Layer {
    PackedLayer packed;
    std::size_t tensor, out;  ///< its first tensor in the table, and where its forms start
  };
  std::vector<Layer> layers_;
  std::size_t output_ = 0, H_ = 0, V_ = 0, head_ = 0, floats_ = 0;
  bool trainable_ = false, tied_ = false;
};

/// Floats that the workers of a run share; 0 on the path that packs nothing (see gemm/packed.h).
std::size_t shared_packed_floats(const ModelSpec& spec);

}  // namespace timernn
