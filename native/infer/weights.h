// A model's weights packed for inference: a copy, read-only, that any number of threads may use at once.
// Refuses to do: following a training. What was trained since is not in it.
#pragma once

#include <vector>

#include "../gemm/linear.h"
#include "../model/spec.h"

namespace timernn {

class PredictorWeights {
 public:
  /// Throws ERR_TIMERNN_OPTION where int8 is asked for and a layer reads more than kLargestInt8Rows numbers.
  PredictorWeights(ModelSpec spec, const std::vector<std::size_t>& offsets, const float* params,
                   Precision precision);

  struct Layer {
    const Cell* cell;
    std::size_t D, H;
    std::vector<Linear> forms;
    std::vector<Buffer> biases;         ///< in table order, empty for what is packed
    std::vector<const float*> tensors;  ///< the same as the cell takes them
    std::size_t shared_floats(std::size_t m) const, scratch_floats(std::size_t m) const;
  };

  const ModelSpec& spec() const { return spec_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const float* embedding() const { return embedding_.data(); }
  const Linear& head() const { return head_.front(); }
  const float* head_bias() const { return head_bias_.data(); }
  /// Of the packed weights, which a step reads: without the embedding, of which it reads a row.
  std::size_t bytes() const;

 private:
  ModelSpec spec_;
  std::vector<Layer> layers_;
  std::vector<Linear> head_;  // one
  Buffer embedding_, head_bias_;
};

}  // namespace timernn
