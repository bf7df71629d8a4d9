// Panels of every form, one form after the other; see packed_weights.h.
#include "packed_weights.h"

#include <algorithm>

#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
// Packing a weight costs about as much as multiplying it with one or two rows; there are two forms of each.
constexpr std::size_t kRowsToPack = 8;
}  // namespace

bool packs(std::size_t rows) {
  return rows >= kRowsToPack && gemm_path() == GemmPath::packed;
}

PackedLayer::PackedLayer(const LayerWeights& layer) {
  const std::vector<TensorInfo> table = layer.cell.tensors(layer.D, layer.H);
  for (const WeightForm& f : layer.cell.forms(layer.H)) {
    if (f.transposed && !layer.trainable) continue;
    const std::size_t rows = table[f.tensor].shape[0], ld = table[f.tensor].shape[1];
    const std::size_t k = f.transposed ? f.columns : rows, n = f.transposed ? rows : f.columns;
    jobs_.push_back({f.tensor, f.first, k, n, ld, floats_, f.transposed});
    floats_ += packed_floats(k, n);
  }
}

void PackedLayer::pack(float* out, const float* const* params, std::size_t part, std::size_t parts) const {
  const std::size_t panel = kernels().panel;
  for (const Job& j : jobs_) {
    const std::size_t panels = (j.n + panel - 1) / panel;
    const std::size_t begin = panels * part / parts * panel;
    const std::size_t end = std::min(j.n, panels * (part + 1) / parts * panel);
    if (begin >= end) continue;
    const float* W = params[j.tensor] + j.first + begin * (j.transposed ? j.ld : 1);
    timernn::pack({out + j.out + begin * j.k, W, j.k, end - begin, j.ld, j.transposed});
  }
}

std::vector<const float*> PackedLayer::forms(const float* packed) const {
  std::vector<const float*> out;
  for (const Job& j : jobs_) out.push_back(packed + j.out);
  return out;
}

}  // namespace timernn
