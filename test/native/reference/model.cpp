// Loops without any blocking or reordering; see model.h.
#include "reference/model.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace timernn::test {

void reference_layer(const Cell& cell, const ReferenceWindow& w) {
  const ReferenceCell* reference = find_reference(cell.name);
  if (reference == nullptr)
    throw std::runtime_error(std::string("no reference in test/native/reference for ") + cell.name);
  const auto [T, n, D, H] = w.dims;
  std::vector<double> row(std::max<std::size_t>(1, cell.states) * H);
  for (std::size_t t = 0; t < T; ++t) {
    for (std::size_t r = 0; r < n; ++r) {
      for (std::size_t s = 0; s < cell.states; ++s) {
        std::copy_n(w.state + (s * n + r) * H, H, row.data() + s * H);
      }
      reference->step(row.data(), w.xs + (t * n + r) * D, w.params, D, H);
      for (std::size_t s = 0; s < cell.states; ++s) {
        std::copy_n(row.data() + s * H, H, w.state + (s * n + r) * H);
      }
      if (w.hs != nullptr) std::copy_n(row.data(), H, w.hs + (t * n + r) * H);
    }
  }
}

double reference_loss(const double* z, std::size_t n, std::size_t target) {
  const double top = *std::max_element(z, z + n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(z[i] - top);
  return std::log(sum) + top - z[target];
}

namespace {
struct Tensors {
  const ModelSpec& spec;
  std::vector<const double*> at;
};

Tensors tensors_of(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                   const std::vector<double>& params) {
  Tensors t{spec, {}};
  for (std::size_t offset : offsets) t.at.push_back(params.data() + offset);
  return t;
}

// What a window adds to a model; null: nothing.
struct Noise {
  const Regularization& r;
  const WindowInput& in;
  double penalty = 0.0;

  // Drops numbers of xs (steps·rows×units) at a place.
  void drop(std::vector<double>& xs, double rate, std::uint32_t place, std::size_t units) const {
    const DropoutRate threshold(rate);
    if (threshold.none()) return;
    for (std::size_t t = 0; t < in.steps; ++t) {
      for (std::size_t row = 0; row < in.rows; ++row) {
        std::vector<std::uint8_t> keep(units);
        dropout_mask(keep.data(),
                     {r.seed, place, in.run_window, in.first_stream + static_cast<std::uint32_t>(row)},
                     threshold, r.locked ? 0 : t, 0, units);
        for (std::size_t u = 0; u < units; ++u) {
          xs[(t * in.rows + row) * units + u] *= keep[u] != 0 ? static_cast<double>(threshold.scale()) : 0.0;
        }
      }
    }
  }
  void after_layer(std::vector<double>& hs, std::size_t l, std::size_t layers, std::size_t H) {
    const std::vector<double> before = hs;
    drop(hs, r.layer(l), static_cast<std::uint32_t>(kLayer + 2 * l), H);
    if (l + 1 != layers) return;
    const double units = static_cast<double>(H), positions = static_cast<double>(in.rows * in.steps);
    for (double h : hs) penalty += r.activation * h * h / (units * positions);
    const double pairs = static_cast<double>(in.rows * (in.steps - 1));
    for (std::size_t i = in.rows * H; i < before.size(); ++i) {
      const double step = before[i] - before[i - in.rows * H];
      penalty += r.temporal * step * step / (units * pairs);
    }
  }
};

// Outputs of the last layer, T·n×H.
std::vector<double> layers(const Tensors& t, std::vector<double>& state, std::vector<double> xs,
                           std::size_t T, std::size_t n, Noise* noise = nullptr) {
  double* carried = state.data();
  std::size_t first = 1;
  for (std::size_t l = 0; l < t.spec.layers.size(); ++l) {
    const LayerSpec& layer = t.spec.layers[l];
    const CellDims dims{T, n, t.spec.input_size(l), layer.size};
    std::vector<double> hs(T * n * layer.size);
    reference_layer(*layer.cell, {hs.data(), carried, xs.data(), &t.at[first], dims});
    carried += layer.cell->states * n * layer.size;
    first += layer.cell->tensors(dims.D, dims.H).size();
    const std::size_t recurrent = t.spec.recurrent_layers();
    if (noise != nullptr && l < recurrent) noise->after_layer(hs, l, recurrent, layer.size);
    xs = std::move(hs);
  }
  return xs;
}

void drop_inputs(std::vector<double>& xs, const Noise& noise, std::size_t D) {
  const auto& [r, in, penalty] = noise;
  const DropoutRate words(r.words);
  for (std::size_t row = 0; row < in.steps * in.rows && !words.none(); ++row) {
    const std::uint32_t token = in.tokens[in.starts[row % in.rows] + in.shift + row / in.rows];
    const bool keep = dropout_keeps({r.seed, kWordPlace, in.run_window, 0}, words, token);
    for (std::size_t c = 0; c < D; ++c) xs[row * D + c] *= keep ? static_cast<double>(words.scale()) : 0.0;
  }
  noise.drop(xs, r.input, kInputPlace, D);
}

std::vector<double> logits_of(const Tensors& t, const double* h) {
  const std::size_t V = t.spec.vocabulary, H = t.spec.output_size();
  const double *W = t.spec.tied ? t.at[0] : t.at[t.at.size() - 2], *b = t.at[t.at.size() - 1];
  std::vector<double> z(b, b + V);
  for (std::size_t j = 0; j < H; ++j) {
    for (std::size_t v = 0; v < V; ++v) z[v] += h[j] * W[t.spec.tied ? v * H + j : j * V + v];
  }
  return z;
}
}  // namespace

double reference_model(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                       const std::vector<double>& params, std::vector<double>& state, const WindowInput& in,
                       const Regularization* regularization, double* penalty) {
  const Tensors t = tensors_of(spec, offsets, params);
  const std::size_t D = spec.embedding, H = spec.output_size();
  std::vector<double> xs(in.steps * in.rows * D);
  for (std::size_t step = 0; step < in.steps; ++step) {
    for (std::size_t r = 0; r < in.rows; ++r) {
      const std::uint32_t token = in.tokens[in.starts[r] + in.shift + step];
      std::copy_n(t.at[0] + token * D, D, xs.data() + (step * in.rows + r) * D);
    }
  }
  const Regularization none;
  Noise noise{regularization == nullptr ? none : *regularization, in};
  if (regularization != nullptr) drop_inputs(xs, noise, D);
  const std::vector<double> hs =
      layers(t, state, std::move(xs), in.steps, in.rows, regularization == nullptr ? nullptr : &noise);
  if (penalty != nullptr) *penalty = noise.penalty;
  double loss = 0.0;
  for (std::size_t step = 0; step < in.steps; ++step) {
    for (std::size_t r = 0; r < in.rows; ++r) {
      const std::vector<double> z = logits_of(t, hs.data() + (step * in.rows + r) * H);
      loss += reference_loss(z.data(), z.size(), in.tokens[in.starts[r] + in.shift + step + 1]);
    }
  }
  return loss;
}

std::vector<double> reference_logits(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                                     const std::vector<double>& params,
                                     const std::vector<std::uint32_t>& tokens) {
  const Tensors t = tensors_of(spec, offsets, params);
  const std::size_t D = spec.embedding, H = spec.output_size();
  std::vector<double> xs(tokens.size() * D), state(state_floats(spec, 1));
  for (std::size_t i = 0; i < tokens.size(); ++i) std::copy_n(t.at[0] + tokens[i] * D, D, xs.data() + i * D);
  const std::vector<double> hs = layers(t, state, std::move(xs), tokens.size(), 1);
  return logits_of(t, hs.data() + (tokens.size() - 1) * H);
}

}  // namespace timernn::test
