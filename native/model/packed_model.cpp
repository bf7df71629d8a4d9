// Layer after layer, then the head; see packed_model.h.
#include "packed_model.h"

#include "../cells/packed_weights.h"
#include "../gemm/packed.h"
#include "../losses/softmax_head.h"

namespace timernn {

namespace {
LayerWeights layer_weights(const ModelSpec& spec, std::size_t l, bool trainable) {
  return {*spec.layers[l].cell, spec.input_size(l), spec.layers[l].size, trainable};
}
}  // namespace

std::size_t packed_model_floats(const ModelSpec& spec, bool trainable) {
  if (gemm_path() != GemmPath::packed) return 0;
  std::size_t total = packed_head_floats(spec.output_size(), spec.vocabulary, trainable);
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    total += packed_layer_floats(layer_weights(spec, l, trainable));
  }
  return total;
}

void pack_model(float* out, const float* const* tensors, const ModelSpec& spec, bool trainable,
                std::size_t part, std::size_t parts) {
  const float* const* tensor = tensors + 1;  // the embedding is read as it is
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerWeights layer = layer_weights(spec, l, trainable);
    pack_layer(out, tensor, layer, part, parts);
    out += packed_layer_floats(layer);
    tensor += layer.cell.tensors(layer.D, layer.H).size();
  }
  pack_head(out, {tensor[0], tensor[1], spec.output_size(), spec.vocabulary}, trainable, part, parts);
}

PackedModel packed_model_views(const float* packed, const ModelSpec& spec, bool trainable) {
  PackedModel out;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerWeights layer = layer_weights(spec, l, trainable);
    out.layers.push_back(packed_layer_forms(packed, layer));
    packed += packed_layer_floats(layer);
  }
  out.head = packed;
  return out;
}

}  // namespace timernn
