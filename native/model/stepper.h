// One stream, one token at a time: generation and scoring. Holds the stream's state; parameters come with
// each call. Refuses to do: batching, threads.
#pragma once

#include <cstdint>
#include <vector>

#include "../core/buffer.h"
#include "spec.h"

namespace timernn {

struct SampleOptions {
  double temperature = 1.0;  ///< 0 takes the most likely token
  std::size_t top_k = 0;     ///< 0 = all
  std::uint64_t seed = 0, position = 0;
  std::vector<std::uint32_t> exclude;  ///< never sampled
};

class Stepper {
 public:
  Stepper(ModelSpec spec, std::vector<std::size_t> offsets);

  /// Both throw ERR_TIMERNN_NOT_FINITE where the weights are so large that scores overflow.
  /// Feeds `input` (the first call needs at least one token), then samples `count` tokens, each fed back.
  std::vector<std::uint32_t> generate(const float* params, const std::vector<std::uint32_t>& input,
                                      std::size_t count, const SampleOptions& options);
  /// Σ log P(tokens[i] | what came before) for i ≥ 1, in nats. The last token is not fed.
  double score(const float* params, const std::vector<std::uint32_t>& tokens);

 private:
  void feed(const float* params, std::uint32_t token);
  void head();
  std::uint32_t sample(const SampleOptions& options, std::uint64_t position);

  ModelSpec spec_;
  std::vector<std::size_t> offsets_;
  std::vector<const float*> params_;
  Buffer state_, x_, hs_, ws_, scratch_, logits_;
  const float* out_ = nullptr;  ///< output of the last layer
  bool fed_ = false;
  std::vector<std::uint32_t> order_;
};

}  // namespace timernn
