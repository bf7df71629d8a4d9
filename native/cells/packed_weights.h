// The weights of a layer as the kernels read them: every form that its cell multiplies with, packed one after
// the other. Weights change once a window, so packing once a window serves all its steps, and one copy all
// workers. Refuses to do: memory, and deciding whether to pack (see packs()).
#pragma once

#include <cstddef>
#include <vector>

#include "cell.h"

namespace timernn {

/// Whether a window of that many rows (streams · steps) multiplies with packed weights on this CPU: packing
/// must pay for itself.
bool packs(std::size_t rows);

struct LayerWeights {
  const Cell& cell;
  std::size_t D, H;
  bool trainable;  ///< with the transposed forms, which only the way back needs
};

/// What there is to pack for a layer, and where it goes. Made once; packing allocates nothing.
class PackedLayer {
 public:
  PackedLayer() = default;
  explicit PackedLayer(const LayerWeights& layer);

  /// Floats of all forms.
  std::size_t floats() const { return floats_; }
  /// Packs the part-th of `parts` shares of every form, so that workers can divide the work. `params`: the
  /// cell's tensors in table order.
  void pack(float* out, const float* const* params, std::size_t part, std::size_t parts) const;
  /// Where each form starts, in the cell's order.
  std::vector<const float*> forms(const float* packed) const;

 private:
  /// k×n out of a tensor whose rows are ld floats apart.
  struct Job {
    std::size_t tensor, first, k, n, ld, out;
    bool transposed;
  };
  std::vector<Job> jobs_;
  std::size_t floats_ = 0;
};

}  // namespace timernn
