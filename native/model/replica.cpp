// Gather → layers forward → head → layers backward → scatter; see replica.h.
#include "replica.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "../cells/products.h"
#include "../core/error.h"
#include "../layers/embedding.h"
#include "../math/kernels.h"

namespace timernn {

Replica::Replica(ModelSpec spec, std::vector<std::size_t> offsets, std::size_t rows, std::size_t window,
                 bool trainable, Lent lent, Regularization regularization)
    : spec_(std::move(spec)),
      offsets_(std::move(offsets)),
      rows_(rows),
      window_(window),
      trainable_(trainable),
      regularization_(std::move(regularization)) {
  const std::size_t steps = rows * window;
  // BLAS counts rows with an int.
  if (steps > std::numeric_limits<int>::max() / 2) {
    throw Error("ERR_TIMERNN_OPTION",
                "Expected rows times window to be below 2^30, got " + std::to_string(steps));
  }
  std::size_t index = 1, widest = spec_.embedding, scratch = 0, dstate = 0;
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const LayerSpec& layer = spec_.layers[l];
    const CellDims d{window, rows, spec_.input_size(l), layer.size};
    first_.push_back(index);
    index += layer.cell->tensors(d.D, d.H).size();
    hs_.emplace_back((window + 1) * rows * layer.size);
    ws_.emplace_back(layer.cell->ws_floats(d));
    scratch = std::max({scratch, layer.cell->scratch_floats(d),
                        trainable && !packs(steps) ? weight_product_floats(*layer.cell, d) : 0});
    widest = std::max(widest, layer.size);
    dstate = std::max(dstate, layer.cell->states * rows * layer.size);
  }
  first_.push_back(index);
  targets_.resize(steps);
  inputs_.resize(steps);
  params_.resize(offsets_.size());
  instead_.resize(offsets_.size());
  grads_.resize(offsets_.size());
  embedded_ = Buffer(steps * spec_.embedding);
  scratch_ = Buffer(scratch);
  if (packs(steps)) {
    packed_ = PackedModel(spec_, trainable);
    if (lent.packed == nullptr) own_packed_ = Buffer(packed_.floats());
    view_ = packed_.view(lent.packed != nullptr ? lent.packed : own_packed_.data());
  }
  head_ = SoftmaxHead(head_dims(), trainable, view_.head, true);
  if (!trainable) return;
  if (reads_packed()) {
    weight_work_ = WeightWork(spec_, offsets_, rows, window);
    weights_at_ = SoftmaxHead::work_floats(head_dims());
    inputs_at_ = weights_at_ + weight_work_.floats();
  }
  if (!lent.work && work_floats() > 0) {
    own_work_ = Buffer(work_floats());
    work_in(own_work_.data());
  }
  seen_.resize(spec_.vocabulary);
  dstate_ = Buffer(dstate);
  da_ = Buffer(steps * widest);
  db_ = Buffer(steps * widest);
  make_dropout();
}

void Replica::make_dropout() {
  const Regularization& r = regularization_;
  const std::size_t steps = rows_ * window_;
  input_dropout_ = Dropout(r.input, kInputPlace, spec_.embedding, rows_, window_, r.locked);
  if (!DropoutRate(r.words).none()) word_factor_.resize(steps);
  for (std::size_t l = 0; l < spec_.recurrent_layers(); ++l) {
    const auto place = static_cast<std::uint32_t>(kLayer + 2 * l);
    dropout_.emplace_back(r.layer(l), place, spec_.layers[l].size, rows_, window_, r.locked);
    dropped_.emplace_back(dropout_[l].none() ? 0 : steps * spec_.layers[l].size);
  }
}

std::size_t Replica::workspace_bytes() const {
  std::size_t floats = embedded_.size() + scratch_.size() + head_.workspace_floats() + dstate_.size() +
                       da_.size() + db_.size() + own_packed_.size() + own_work_.size();
  for (const Buffer& b : hs_) floats += b.size();
  for (const Buffer& b : ws_) floats += b.size();
  for (const Buffer& b : dropped_) floats += b.size();
  std::size_t masks = input_dropout_.bytes();
  for (const Dropout& d : dropout_) masks += d.bytes();
  return (floats + word_factor_.size()) * sizeof(float) + masks +
         (targets_.size() + inputs_.size() + seen_.size()) * sizeof(std::uint32_t);
}

CellDims Replica::dims(std::size_t layer, const WindowInput& in) const {
  return {in.steps, in.rows, spec_.input_size(layer), spec_.layers[layer].size};
}

const float* Replica::input_of(std::size_t layer, const WindowInput& in) const {
  if (noisy_ && layer > 0 && layer <= dropped_.size() && dropped_[layer - 1].size() > 0) {
    return dropped_[layer - 1].data();
  }
  // The first n rows of hs are the carried state; a layer's outputs start after them.
  return layer == 0 ? embedded_.data() : hs_[layer - 1].data() + in.rows * spec_.layers[layer - 1].size;
}

void Replica::gather(const float* params, const WindowInput& in) {
  const EmbeddingDims d{spec_.vocabulary, spec_.embedding};
  for (std::size_t r = 0; r < in.rows; ++r) {
    const std::size_t at = static_cast<std::size_t>(in.starts[r]) + in.shift;
    if (at + in.steps >= in.length) {
      throw Error("ERR_TIMERNN_CORPUS", "Expected " + std::to_string(in.steps + 1) +
                                            " tokens from position " + std::to_string(at) +
                                            ", got a corpus of " + std::to_string(in.length));
    }
    for (std::size_t t = 0; t < in.steps; ++t) {
      const std::uint32_t token = in.tokens[at + t], target = in.tokens[at + t + 1];
      if (target >= spec_.vocabulary || token >= spec_.vocabulary) {
        const bool input = token >= spec_.vocabulary;
        throw Error("ERR_TIMERNN_TOKEN", "Expected tokens below the vocabulary size " +
                                             std::to_string(spec_.vocabulary) + ", got " +
                                             std::to_string(input ? token : target) + " at position " +
                                             std::to_string(at + t + (input ? 0 : 1)));
      }
      const std::size_t row = t * in.rows + r;
      inputs_[row] = token;
      targets_[row] = target;
      embedding_row(embedded_.data() + row * d.D, params, token, d);
    }
  }
}

// Inputs after dropout: whole words first, then single numbers.
void Replica::drop_inputs(const WindowInput& in) {
  const std::size_t D = spec_.embedding;
  if (!word_factor_.empty()) {
    const DropoutRate rate(regularization_.words);
    const MaskAddress at{regularization_.seed, kWordPlace, in.run_window, 0};
    for (std::size_t row = 0; row < in.rows * in.steps; ++row) {
      const float factor = dropout_keeps(at, rate, inputs_[row]) ? rate.scale() : 0.0f;
      word_factor_[row] = factor;
      for (std::size_t c = 0; c < D; ++c) embedded_.data()[row * D + c] *= factor;
    }
  }
  if (input_dropout_.none()) return;
  input_dropout_.draw({regularization_.seed, 0, in.run_window, in.first_stream}, in.rows, in.steps);
  input_dropout_.forward(embedded_.data(), embedded_.data());
}

void Replica::drop_outputs(std::size_t layer, const WindowInput& in) {
  if (layer >= dropout_.size() || dropout_[layer].none()) return;
  dropout_[layer].draw({regularization_.seed, 0, in.run_window, in.first_stream}, in.rows, in.steps);
  dropout_[layer].forward(dropped_[layer].data(), hs_[layer].data() + in.rows * spec_.layers[layer].size);
}

// dhs: in the gradient at a layer's outputs behind dropout, out before it, with the penalties' own. `scale`:
// 1 over the mini-batch's positions in the window.
void Replica::back_through_dropout(float* dhs, std::size_t layer, const WindowInput& in, float scale) const {
  if (layer >= dropout_.size()) return;
  const Regularization& r = regularization_;
  const Dropout& dropout = dropout_[layer];
  const std::size_t H = spec_.layers[layer].size, step = in.rows * H;
  DropoutBackward b{dhs, nullptr, dropout.scale()};
  b.n = step;
  const float* hs = hs_[layer].data() + step;
  const bool penalties = layer + 1 == dropout_.size() && (r.activation > 0.0 || r.temporal > 0.0);
  if (!penalties && dropout.none()) return;
  if (penalties) {
    // Means over all positions, or all neighbouring pairs of them, and units.
    const float each = 2.0f * scale / static_cast<float>(H), T = static_cast<float>(in.steps);
    b.activation = static_cast<float>(r.activation) * each;
    b.temporal = in.steps > 1 ? static_cast<float>(r.temporal) * each * T / (T - 1.0f) : 0.0f;
  }
  for (std::size_t t = 0; t < in.steps; ++t, b.d += step) {
    b.keep = dropout.keep(t);
    if (penalties) {
      b.h = hs + t * step;
      b.before = t > 0 ? b.h - step : nullptr;
      b.after = t + 1 < in.steps ? b.h + step : nullptr;
    }
    kernels().dropout_backward(b);
  }
}

void Replica::bind(const float* params) {
  for (std::size_t i = 0; i < offsets_.size(); ++i) {
    params_[i] = instead_[i] != nullptr ? instead_[i] : params + offsets_[i];
  }
  if (own_packed_.size() > 0) packed_.pack(own_packed_.data(), params_.data(), 0, 1);
}

const float* const* Replica::packed_of(std::size_t layer) const {
  return reads_packed() ? view_.layers[layer].data() : nullptr;
}

void Replica::forward_layers(float* state, const float* params, const WindowInput& in) {
  bind(params);
  gather(params_[0], in);
  if (noisy_) drop_inputs(in);
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const LayerSpec& layer = spec_.layers[l];
    layer.cell->forward({hs_[l].data(), state, input_of(l, in), &params_[first_[l]], packed_of(l),
                         ws_[l].data(), scratch_.data(), dims(l, in)});
    if (noisy_) drop_outputs(l, in);
    state += layer.cell->states * in.rows * layer.size;
  }
}

HeadInput Replica::head_input(const WindowInput& in) const {
  const std::size_t out = first_.back();
  return {input_of(spec_.layers.size(), in), params_[spec_.output_weight(out)],
          params_[spec_.output_bias(out)], targets_.data(), in.rows * in.steps};
}

double Replica::forward_window(float* state, const float* params, const WindowInput& in) {
  expect_work();
  noisy_ = false;
  forward_layers(state, params, in);
  return head_.forward(head_input(in));
}

double Replica::train_window(float* grads, float* state, const float* params, const WindowInput& in,
                             float scale, TouchedRows* touched, bool leave) {
  if (!trainable_)
    throw Error("ERR_TIMERNN_STATE", "Expected a trainable replica, got one built for inference");
  expect_work();
  noisy_ = true;
  forward_layers(state, params, in);
  for (std::size_t i = 0; i < offsets_.size(); ++i) grads_[i] = grads + offsets_[i];
  const std::size_t out = first_.back();
  const double loss = head_.forward_backward(
      head_input(in), {da_.data(), grads_[spec_.output_weight(out)], grads_[spec_.output_bias(out)], scale},
      true);
  scatter(backward_layers(in, scale), in, touched);
  const std::size_t rows = in.rows * in.steps;
  for (std::size_t part = 0; !leave && part < weight_parts(rows); ++part)
    weight_part(grads, work_, rows, part);
  return loss;
}

HeadDims Replica::head_dims() const {
  return {rows_ * window_, spec_.output_size(), spec_.vocabulary, spec_.tied};
}

// Returns the gradient at the first layer's inputs.
float* Replica::backward_layers(const WindowInput& in, float scale) {
  float *dhs = da_.data(), *dxs = db_.data();
  for (std::size_t l = spec_.layers.size(); l-- > 0;) {
    const LayerSpec& layer = spec_.layers[l];
    back_through_dropout(dhs, l, in, scale);
    // Truncated BPTT: no gradient comes back from the next window.
    std::memset(dstate_.data(), 0, layer.cell->states * in.rows * layer.size * sizeof(float));
    const CellBackward b{dxs,           dstate_.data(),  &grads_[first_[l]],  dhs,
                         hs_[l].data(), input_of(l, in), &params_[first_[l]], packed_of(l),
                         ws_[l].data(), scratch_.data(), dims(l, in)};
    layer.cell->backward(b);
    if (reads_packed()) {
      weight_work_.pack(work_ + weights_at_, l, b);
    } else {
      weight_gradients(*layer.cell, b, scratch_.data());
    }
    std::swap(dhs, dxs);
  }
  return dhs;
}

// The embedding's gradient starts at zero, or, tied, from what the output layer left there.
void Replica::clear_table(TouchedRows* touched) {
  const EmbeddingDims d{spec_.vocabulary, spec_.embedding};
  float* table = grads_[0];
  if (spec_.tied) return;
  if (touched == nullptr) {
    std::memset(table, 0, d.V * d.D * sizeof(float));
  } else {
    for (const std::uint32_t row : *touched) {
      if (row < d.V) std::memset(table + row * d.D, 0, d.D * sizeof(float));  // shared memory is not trusted
    }
    touched->clear();
    if (++windows_ == 0) {  // after 2^32 windows the marks would lie
      std::fill(seen_.begin(), seen_.end(), 0u);
      windows_ = 1;
    }
  }
}

void Replica::scatter(float* dxs, const WindowInput& in, TouchedRows* touched) {
  const EmbeddingDims d{spec_.vocabulary, spec_.embedding};
  float* table = grads_[0];
  const bool later = spec_.tied && reads_packed();
  clear_table(touched);
  if (!input_dropout_.none()) {
    const std::size_t step = in.rows * d.D;
    for (std::size_t t = 0; t < in.steps; ++t) {
      DropoutBackward b{dxs + t * step, input_dropout_.keep(t), input_dropout_.scale()};
      b.n = step;
      kernels().dropout_backward(b);
    }
  }
  for (std::size_t row = 0; row < in.rows * in.steps; ++row) {
    const std::uint32_t token = inputs_[row];
    if (!word_factor_.empty()) {
      if (word_factor_[row] == 0.0f) continue;
      for (std::size_t c = 0; c < d.D; ++c) dxs[row * d.D + c] *= word_factor_[row];
    }
    if (touched != nullptr && seen_[token] != windows_) {
      seen_[token] = windows_;
      touched->push(token);
    }
    if (!later) embedding_row_backward(table, dxs + row * d.D, token, d);
  }
  if (later) keep_inputs(dxs, in.rows * in.steps);
}

}  // namespace timernn
