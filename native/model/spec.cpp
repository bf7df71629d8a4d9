// Tensor table and initialisation; see spec.h.
#include "spec.h"

#include <cmath>

#include "../math/philox.h"

namespace timernn {

std::size_t ModelSpec::recurrent_layers() const {
  return layers.size() - (layers.back().cell == projection_cell() ? 1 : 0);
}

void ModelSpec::tie() {
  tied = true;
  if (output_size() != embedding) layers.push_back({projection_cell(), embedding});
}

std::vector<TensorInfo> tensor_table(const ModelSpec& spec) {
  std::vector<TensorInfo> table;
  // Unit-scale embeddings: with Wx ~ U(±1/√D) the pre-activations start near 1/3, where tanh still has slope.
  // As output weights they must be small: the first scores of all words are then about alike.
  const float bound = spec.tied ? 0.1f : 1.0f;
  table.push_back({"embedding.W", {spec.vocabulary, spec.embedding}, {InitKind::uniform, bound}});
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    for (TensorInfo info : spec.layers[l].cell->tensors(spec.input_size(l), spec.layers[l].size)) {
      const bool projection = spec.layers[l].cell == projection_cell();
      info.name = projection ? "output.projection" : "layers." + std::to_string(l) + "." + info.name;
      table.push_back(std::move(info));
    }
  }
  const std::size_t H = spec.output_size();
  if (!spec.tied) {
    table.push_back(
        {"output.W", {H, spec.vocabulary}, {InitKind::uniform, 1.0f / std::sqrt(static_cast<float>(H))}});
  }
  table.push_back({"output.b", {spec.vocabulary}, {InitKind::zeros}});
  return table;
}

std::size_t state_floats(const ModelSpec& spec, std::size_t n) {
  std::size_t total = 0;
  for (const LayerSpec& layer : spec.layers) total += layer.cell->states * n * layer.size;
  return total;
}

namespace {
// Gram-Schmidt on the rows of a square normal matrix, each row cleaned twice ("twice is enough", Kahan and
// Parlett).
void orthogonal(float* out, std::size_t n, std::uint64_t seed, std::uint64_t stream) {
  std::vector<double> m(n * n);
  for (std::size_t i = 0; i < n * n; ++i) m[i] = normal(seed, stream, i);
  for (std::size_t r = 0; r < n; ++r) {
    double* row = &m[r * n];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t q = 0; q < r; ++q) {
        const double* other = &m[q * n];
        double lanes[8] = {};
        std::size_t i = 0;
        for (; i + 8 <= n; i += 8) {
          for (std::size_t l = 0; l < 8; ++l) lanes[l] += row[i + l] * other[i + l];
        }
        double dot = 0.0;
        for (double lane : lanes) dot += lane;
        for (; i < n; ++i) dot += row[i] * other[i];
        for (i = 0; i < n; ++i) row[i] -= dot * other[i];
      }
    }
    double square = 0.0;
    for (std::size_t i = 0; i < n; ++i) square += row[i] * row[i];
    const double inverse = 1.0 / std::sqrt(square);
    for (std::size_t i = 0; i < n; ++i) row[i] *= inverse;
  }
  for (std::size_t i = 0; i < n * n; ++i) out[i] = static_cast<float>(m[i]);
}
}  // namespace

void initialise_tensor(float* out, const TensorInfo& info, std::uint64_t seed, std::uint64_t stream) {
  const std::size_t n = info.length();
  switch (info.init.kind) {
    case InitKind::zeros:
      for (std::size_t i = 0; i < n; ++i) out[i] = 0.0f;
      return;
    case InitKind::uniform:
      for (std::size_t i = 0; i < n; ++i) {
        out[i] = static_cast<float>((2.0 * uniform01(seed, stream, i) - 1.0) *
                                    static_cast<double>(info.init.bound));
      }
      return;
    case InitKind::orthogonal:
      orthogonal(out, info.shape[0], seed, stream);
      return;
    case InitKind::ones:
      for (std::size_t i = 0; i < n; ++i) out[i] = i >= info.init.from && i < info.init.to ? 1.0f : 0.0f;
      return;
  }
}

namespace {
// Unit k keeps the share memory·k/(H−1) of what it was, and a fifth of what the matrix was drawn as is left
// between units.
void grade_memory(float* Wh, std::size_t H, double memory) {
  for (std::size_t i = 0; i < H * H; ++i) Wh[i] *= 0.2f;
  for (std::size_t k = 0; k < H; ++k) {
    const double grade = H == 1 ? 1.0 : static_cast<double>(k) / static_cast<double>(H - 1);
    Wh[k * H + k] += static_cast<float>(memory * grade);
  }
}
}  // namespace

void initialise(float* params, const std::vector<std::size_t>& offsets, const ModelSpec& spec,
                std::uint64_t seed, const Start& start) {
  auto table = tensor_table(spec);
  const double range = start.range;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const bool graded = table[i].init.memory && start.memory >= 0.0;
    if (range > 0.0) table[i].init = {InitKind::uniform, static_cast<float>(range)};
    initialise_tensor(params + offsets[i], table[i], seed, i);
    if (graded) grade_memory(params + offsets[i], table[i].shape[0], start.memory);
  }
}

}  // namespace timernn
