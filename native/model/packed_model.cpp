// Layer after layer, then the head; see packed_model.h.
#include "packed_model.h"

#include "../gemm/packed.h"
#include "../losses/softmax_head.h"

namespace timernn {

PackedModel::PackedModel(const ModelSpec& spec, bool trainable)
    : output_(1), H_(spec.output_size()), V_(spec.vocabulary), trainable_(trainable) {
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerWeights layer{*spec.layers[l].cell, spec.input_size(l), spec.layers[l].size, trainable};
    layers_.push_back({PackedLayer(layer), output_, floats_});  // the embedding is read as it is
    floats_ += layers_.back().packed.floats();
    output_ += layer.cell.tensors(layer.D, layer.H).size();
  }
  tied_ = spec.tied;
  head_ = floats_;
  floats_ += packed_head_floats(H_, V_, trainable);
}

void PackedModel::pack(float* out, const float* const* tensors, std::size_t part, std::size_t parts) const {
  for (const Layer& l : layers_) l.packed.pack(out + l.out, tensors + l.tensor, part, parts);
  const std::size_t weight = tied_ ? 0 : output_, bias = tied_ ? output_ : output_ + 1;
  pack_head(out + head_, {tensors[weight], tensors[bias], H_, V_, tied_}, trainable_, part, parts);
}

PackedModel::View PackedModel::view(const float* packed) const {
  View out;
  for (const Layer& l : layers_) out.layers.push_back(l.packed.forms(packed + l.out));
  out.head = packed + head_;
  return out;
}

std::size_t shared_packed_floats(const ModelSpec& spec) {
  return gemm_path() == GemmPath::packed ? PackedModel(spec, true).floats() : 0;
}

}  // namespace timernn
