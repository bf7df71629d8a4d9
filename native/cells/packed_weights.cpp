// Panels of every form, one form after the other; see packed_weights.h.
#include "packed_weights.h"

#include <algorithm>

#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
// A form as the matrix that it multiplies with: k×n.
struct Matrix {
  std::size_t k, n, ld;
};
Matrix matrix_of(const WeightForm& f, const TensorInfo& info) {
  const std::size_t rows = info.shape[0], ld = info.shape[1];
  return f.transposed ? Matrix{f.columns, rows, ld} : Matrix{rows, f.columns, ld};
}

template <typename F>
void for_each_form(const LayerWeights& layer, F&& f) {
  const std::vector<TensorInfo> table = layer.cell.tensors(layer.D, layer.H);
  for (const WeightForm& form : layer.cell.forms(layer.H)) {
    if (layer.trainable || !form.transposed) f(form, matrix_of(form, table[form.tensor]));
  }
}
}  // namespace

std::size_t packed_layer_floats(const LayerWeights& layer) {
  std::size_t total = 0;
  for_each_form(layer, [&](const WeightForm&, const Matrix& m) { total += packed_floats(m.k, m.n); });
  return total;
}

std::vector<const float*> packed_layer_forms(const float* packed, const LayerWeights& layer) {
  std::vector<const float*> out;
  for_each_form(layer, [&](const WeightForm&, const Matrix& m) {
    out.push_back(packed);
    packed += packed_floats(m.k, m.n);
  });
  return out;
}

void pack_layer(float* out, const float* const* params, const LayerWeights& layer, std::size_t part,
                std::size_t parts) {
  const std::size_t panel = kernels().panel;
  for_each_form(layer, [&](const WeightForm& form, const Matrix& m) {
    const std::size_t panels = (m.n + panel - 1) / panel;
    const std::size_t begin = panels * part / parts * panel;
    const std::size_t end = std::min(m.n, panels * (part + 1) / parts * panel);
    if (begin < end) {
      const float* W = params[form.tensor] + form.first + begin * (form.transposed ? m.ld : 1);
      pack({out + begin * m.k, W, m.k, end - begin, m.ld, form.transposed});
    }
    out += packed_floats(m.k, m.n);
  });
}

}  // namespace timernn
