// The cells at T = 1, n = 1, and a sampler; see stepper.h.
#include "stepper.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>

#include "../core/error.h"
#include "../gemm/gemm.h"
#include "../layers/affine.h"
#include "../layers/embedding.h"
#include "../math/kernels.h"
#include "../math/philox.h"

namespace timernn {

namespace {

[[noreturn]] void refuse_not_finite(const std::string& expected, double got) {
  throw Error("ERR_TIMERNN_NOT_FINITE",
              "Expected " + expected + " to be finite, got " + std::to_string(got) +
                  "; the model's weights are too large, as after training with steps that are too long");
}

}  // namespace

Stepper::Stepper(ModelSpec spec, std::vector<std::size_t> offsets)
    : spec_(std::move(spec)), offsets_(std::move(offsets)) {
  std::size_t hs = 0, ws = 0, scratch = 0;
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const LayerSpec& layer = spec_.layers[l];
    const CellDims d{1, 1, spec_.input_size(l), layer.size};
    hs += 2 * layer.size;
    ws = std::max(ws, layer.cell->ws_floats(d));
    scratch = std::max(scratch, layer.cell->scratch_floats(d));
  }
  params_.resize(offsets_.size());
  state_ = Buffer(state_floats(spec_, 1));
  x_ = Buffer(spec_.embedding);
  hs_ = Buffer(hs);
  ws_ = Buffer(ws);
  scratch_ = Buffer(scratch);
  logits_ = Buffer(spec_.vocabulary);
  order_.resize(spec_.vocabulary);
}

void Stepper::feed(const float* params, std::uint32_t token) {
  for (std::size_t i = 0; i < offsets_.size(); ++i) params_[i] = params + offsets_[i];
  embedding_row(x_.data(), params_[0], token, {spec_.vocabulary, spec_.embedding});
  const float* x = x_.data();
  float *hs = hs_.data(), *state = state_.data();
  const float* const* tensors = &params_[1];
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const LayerSpec& layer = spec_.layers[l];
    const CellDims d{1, 1, spec_.input_size(l), layer.size};
    layer.cell->forward({hs, state, x, tensors, nullptr, ws_.data(), scratch_.data(), d});
    x = hs + layer.size;
    hs += 2 * layer.size;
    state += layer.cell->states * layer.size;
    tensors += layer.cell->tensors(d.D, d.H).size();
  }
  out_ = x;
  fed_ = true;
}

void Stepper::head() {
  const std::size_t last = offsets_.size() - 1, H = spec_.output_size();
  if (spec_.tied) {
    std::memcpy(logits_.data(), params_[last], spec_.vocabulary * sizeof(float));
    kernels().gemv_t(logits_.data(), out_, params_[0], spec_.vocabulary, H, H);
  } else {
    affine_forward(logits_.data(), out_, params_[last - 1], params_[last], {1, H, spec_.vocabulary});
  }
  const float* z = logits_.data();
  // No early exit, so that it is one pass of vector instructions: it runs for every token.
  bool finite = true;
  for (std::size_t v = 0; v < spec_.vocabulary; ++v) finite &= std::isfinite(z[v]);
  if (finite) return;
  const std::size_t at = static_cast<std::size_t>(
      std::find_if(z, z + spec_.vocabulary, [](float x) { return !std::isfinite(x); }) - z);
  refuse_not_finite("the score of token " + std::to_string(at), static_cast<double>(z[at]));
}

std::uint32_t Stepper::sample(const SampleOptions& o, std::uint64_t position) {
  float* z = logits_.data();
  std::size_t n = spec_.vocabulary;
  for (std::uint32_t token : o.exclude) {
    if (token < n) z[token] = std::numeric_limits<float>::lowest();
  }
  if (o.temperature == 0.0) return static_cast<std::uint32_t>(std::max_element(z, z + n) - z);
  std::iota(order_.begin(), order_.end(), 0u);
  if (o.top_k > 0 && o.top_k < n) {
    // Ties are broken by token number, so that the choice does not depend on the library's selection
    // algorithm.
    const auto above = [z](std::uint32_t a, std::uint32_t b) {
      return z[a] > z[b] || (z[a] == z[b] && a < b);
    };
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(o.top_k), order_.end(),
                      above);
    n = o.top_k;
  }
  float top = z[order_[0]];
  for (std::size_t i = 1; i < n; ++i) top = std::max(top, z[order_[i]]);
  double total = 0.0;
  const auto weight = [&](std::size_t i) {
    return std::exp((static_cast<double>(z[order_[i]]) - static_cast<double>(top)) / o.temperature);
  };
  for (std::size_t i = 0; i < n; ++i) total += weight(i);
  double left = uniform01(o.seed, 0, position) * total;
  for (std::size_t i = 0; i < n; ++i) {
    left -= weight(i);
    if (left < 0.0) return order_[i];
  }
  // Rounding may leave a sliver: the last token that has any weight takes it.
  for (std::size_t i = n; i-- > 0;) {
    if (weight(i) > 0.0) return order_[i];
  }
  return order_[0];
}

std::vector<std::uint32_t> Stepper::generate(const float* params, const std::vector<std::uint32_t>& input,
                                             std::size_t count, const SampleOptions& options) {
  for (std::uint32_t token : input) feed(params, token);
  if (!fed_) throw Error("ERR_TIMERNN_STATE", "Expected at least one token before sampling, got none");
  std::vector<std::uint32_t> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    head();
    out.push_back(sample(options, options.position + i));
    feed(params, out.back());
  }
  return out;
}

double Stepper::score(const float* params, const std::vector<std::uint32_t>& tokens) {
  double total = 0.0;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i] >= spec_.vocabulary) {
      throw Error("ERR_TIMERNN_TOKEN", "Expected tokens below the vocabulary size " +
                                           std::to_string(spec_.vocabulary) + ", got " +
                                           std::to_string(tokens[i]));
    }
    feed(params, tokens[i - 1]);
    head();
    total -= static_cast<double>(
        kernels().softmax_cross_entropy(logits_.data(), nullptr, spec_.vocabulary, tokens[i], 0.0f, false));
  }
  // Finite scores may still lie further apart than a float can say.
  if (!std::isfinite(total)) refuse_not_finite("the log probability", total);
  return total;
}

}  // namespace timernn
