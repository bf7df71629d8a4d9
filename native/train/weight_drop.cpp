// The overlap of a rank's range with each tensor that drops; see weight_drop.h.
#include "weight_drop.h"

#include <algorithm>

#include "../math/kernels.h"

namespace timernn {

WeightDrop::WeightDrop(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                       const Regularization& regularization, std::size_t first)
    : seed_(regularization.seed), first_(first) {
  std::size_t index = 1;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const std::vector<TensorInfo> table =
        spec.layers[l].cell->tensors(spec.input_size(l), spec.layers[l].size);
    const DropoutRate rate(l < spec.recurrent_layers() ? regularization.weight(l) : 0.0);
    for (std::size_t i = 0; i < table.size() && !rate.none(); ++i) {
      if (table[i].name != "Wh") continue;
      const std::size_t begin = offsets[index + i];
      drops_.push_back({index + i, begin, begin + table[i].length(), keep_.size(), rate,
                        static_cast<std::uint32_t>(kWeight + 2 * l)});
      keep_.resize(keep_.size() + table[i].length());
    }
    index += table.size();
  }
}

std::vector<std::size_t> WeightDrop::tensors() const {
  std::vector<std::size_t> out;
  for (const Drop& d : drops_) out.push_back(d.tensor);
  return out;
}

void WeightDrop::drop(float* dropped, const float* params, std::uint32_t window, ChunkRange range) {
  const std::size_t from = first_ + range.begin * kReduceChunk, to = first_ + range.end * kReduceChunk;
  for (const Drop& d : drops_) {
    const std::size_t begin = std::max(from, d.begin), end = std::min(to, d.end);
    if (begin >= end) continue;
    std::uint8_t* keep = keep_.data() + d.keep + (begin - d.begin);
    // Tensors and chunks start on multiples of eight floats.
    dropout_mask(keep, {seed_, d.place, window, 0}, d.rate, 0, begin - d.begin, end - begin);
    kernels().dropout_forward(dropped + begin, params + begin, keep, d.rate.scale(), end - begin);
  }
}

void WeightDrop::mask(float* grads, double* squares, std::size_t length, ChunkRange range) const {
  for (std::size_t c = range.begin; c < range.end; ++c) {
    const std::size_t first = first_ + c * kReduceChunk, last = std::min(first + kReduceChunk, length);
    bool changed = false;
    for (const Drop& d : drops_) {
      const std::size_t begin = std::max(first, d.begin), end = std::min(last, d.end);
      if (begin >= end) continue;
      kernels().dropout_forward(grads + begin, grads + begin, keep_.data() + d.keep + (begin - d.begin),
                                d.rate.scale(), end - begin);
      changed = true;
    }
    if (!changed) continue;
    const float* sum = grads + first;
    squares[c] = kernels().sum_and_square(grads + first, &sum, 1, last - first);
  }
}

}  // namespace timernn
