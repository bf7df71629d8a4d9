// Copies and packs; see weights.h.
#include "weights.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "../core/error.h"

namespace timernn {

namespace {
Buffer copy(const float* from, std::size_t count) {
  Buffer out(count);
  std::memcpy(out.data(), from, count * sizeof(float));
  return out;
}

Linear linear(const LinearWeights& w, Precision precision) {
  if (precision == Precision::int8 && w.k > kLargestInt8Rows) {
    throw Error("ERR_TIMERNN_OPTION", "Expected layers of at most " + std::to_string(kLargestInt8Rows) +
                                          " units for int8, got " + std::to_string(w.k));
  }
  return Linear(w, precision);
}
}  // namespace

PredictorWeights::PredictorWeights(ModelSpec spec, const std::vector<std::size_t>& offsets,
                                   const float* params, Precision precision)
    : spec_(std::move(spec)) {
  std::size_t tensor = 1;
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const Cell* cell = spec_.layers[l].cell;
    Layer layer{cell, spec_.input_size(l), spec_.layers[l].size, {}, {}, {}};
    const std::vector<TensorInfo> table = cell->tensors(layer.D, layer.H);
    for (const WeightForm& f : cell->forms(layer.H)) {
      if (f.transposed) continue;
      const auto& shape = table[f.tensor].shape;
      const float* W = params + offsets[tensor + f.tensor] + f.first;
      layer.forms.push_back(linear({W, shape[0], f.columns, shape[1]}, precision));
    }
    for (std::size_t i = 0; i < table.size(); ++i) {
      const bool bias = table[i].shape.size() == 1;
      layer.biases.push_back(bias ? copy(params + offsets[tensor + i], table[i].length()) : Buffer());
      layer.tensors.push_back(layer.biases.back().data());
    }
    tensor += table.size();
    layers_.push_back(std::move(layer));
  }
  const std::size_t H = spec_.output_size(), V = spec_.vocabulary;
  embedding_ = copy(params + offsets[0], V * spec_.embedding);
  const float* W = params + offsets[spec_.output_weight(tensor)];
  head_.push_back(linear({W, H, V, spec_.tied ? H : V, spec_.tied}, precision));
  head_bias_ = copy(params + offsets[spec_.output_bias(tensor)], V);
}

std::size_t PredictorWeights::Layer::shared_floats(std::size_t m) const {
  std::size_t sum = 0;
  for (const Linear& f : forms) sum += f.shared_floats(m);
  return sum;
}

std::size_t PredictorWeights::Layer::scratch_floats(std::size_t m) const {
  std::size_t most = 0;
  for (const Linear& f : forms) most = std::max(most, f.scratch_floats(m));
  return most;
}

std::size_t PredictorWeights::bytes() const {
  std::size_t sum = head().bytes();
  for (const Layer& l : layers_) {
    for (const Linear& f : l.forms) sum += f.bytes();
  }
  return sum;
}

}  // namespace timernn
