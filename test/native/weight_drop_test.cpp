// Weight drop in whole runs: the gradient that moves the parameters, every number of it, against the double
// model that reads each layer's Wh through its own mask of that window; alone, and with all else that
// training adds.
#include <cmath>
#include <cstdio>

#include "noise.h"
#include "reference/model.h"
#include "run.h"

namespace timernn::test {
namespace {

// What a parameter moves by, over the rate, is its gradient. With so large a rate the parameter itself is
// lost in the rounding of the move, and not the other way round.
constexpr double kRate = 1 << 20;

// A gradient is a sum of a few hundred terms a position, good to about 1e-6 of its tensor's norm; masks scale
// what they keep, and five steps back multiply that by a small factor. One number that is wrong shows at its
// share of the norm: in the largest tensor, of 16,384 numbers, 8e-3 on average.
constexpr double kTolerance = 2e-5;

/// What a window multiplies each parameter with: 0 or the scale in a Wh that drops, 1 elsewhere.
std::vector<double> factors(const Model& model, const Regularization& r, std::uint32_t window) {
  std::vector<double> out(model.length, 1.0);
  for (std::size_t l = 0; l < model.spec.recurrent_layers(); ++l) {
    const std::string name = "layers." + std::to_string(l) + ".Wh";
    for (std::size_t i = 0; i < model.table.size(); ++i) {
      if (model.table[i].name != name || r.weight(l) == 0.0) continue;
      const auto place = static_cast<std::uint32_t>(kWeight + 2 * l);
      const auto keep = mask({r.seed, place, window, 0}, r.weight(l), 0, model.table[i].length());
      const auto scale = static_cast<double>(DropoutRate(r.weight(l)).scale());
      for (std::size_t e = 0; e < keep.size(); ++e) out[model.offsets[i] + e] = keep[e] != 0 ? scale : 0.0;
    }
  }
  return out;
}

/// The double model in one window of a run, as a function of the parameters before anything drops.
struct Reference {
  const Run& run;
  const Regularization& r;
  std::uint32_t window;
  std::vector<double> params, carried, factor, end = {};
  double loss = 0.0;  ///< of the last call, summed

  /// The mean over positions, with the penalties.
  double operator()() {
    const std::size_t rows = run.starts.size();
    const WindowInput in{run.tokens.data(),
                         run.tokens.size(),
                         run.starts.data(),
                         window * Run::kWindow,
                         rows,
                         Run::kWindow,
                         window,
                         0};
    std::vector<double> dropped = params;
    for (std::size_t i = 0; i < dropped.size(); ++i) dropped[i] *= factor[i];
    end = carried;
    double penalty = 0.0;
    loss = reference_model(run.model.spec, run.model.offsets, dropped, end, in, &r, &penalty);
    return loss / static_cast<double>(rows * Run::kWindow) + penalty;
  }
};

double check_tensors(Reference& reference, const std::vector<double>& grads) {
  const Model& model = reference.run.model;
  Random random(17);
  double worst = 0.0;
  for (std::size_t i = 0; i < model.table.size(); ++i) {
    const std::size_t first = model.offsets[i], n = model.table[i].length();
    double square = 0.0;
    for (std::size_t e = 0; e < n; ++e) square += grads[first + e] * grads[first + e];
    for (int direction = 0; direction < 2; ++direction) {
      std::vector<double> signs(n);
      double got = 0.0;
      for (std::size_t e = 0; e < n; ++e) {
        signs[e] = random.uniform(-1.0, 1.0) < 0.0 ? -1.0 : 1.0;
        got += signs[e] * grads[first + e];
      }
      const double error = std::fabs(got - difference_along(reference.params, first, signs, reference));
      if (!CHECK_LE(error, kTolerance * std::sqrt(square)))
        std::fprintf(stderr, "  in %s of %s\n", model.table[i].name.c_str(), model.spec.layers[0].cell->name);
      worst = std::max(worst, error / std::sqrt(square));
    }
  }
  return worst;
}

/// The second window of a run, behind one that only carried the state: with three ranks, which cut every
/// arena at other places than tensors end.
double check_run(RunOptions o) {
  o.clip = 0.0;
  Run run(o), alone(o);
  Random random(9);
  // Biases too, which else start as zeros.
  const std::vector<float> start = random.floats(run.model.length, 0.3);
  run.params = alone.params = start;
  run.rates[0] = alone.rates[0] = 0.0;
  run.rates[1] = alone.rates[1] = kRate;
  const Outcome outcome = run.go(3, 0, 2)[0];
  CHECK_EQ(outcome.error, std::string());
  alone.go(1, 0, 2);
  CHECK(same_bits(run.params, alone.params));

  const Regularization& r = o.regularization;
  const std::vector<double> params = to_double(start), fresh(state_floats(run.model.spec, run.starts.size()));
  Reference before{run, r, 0, params, fresh, factors(run.model, r, 0)};
  before();
  Reference reference{run, r, 1, params, before.end, factors(run.model, r, 1)};
  reference();
  const double losses = before.loss + reference.loss;
  CHECK_NEAR(outcome.result.loss_sum, losses, 2e-6 * losses);
  std::vector<double> grads(params.size());
  std::size_t moved = 0;
  for (std::size_t i = 0; i < grads.size(); ++i) {
    grads[i] = (params[i] - static_cast<double>(run.params[i])) / kRate;
    if (reference.factor[i] == 0.0 && grads[i] != 0.0) ++moved;
  }
  CHECK_EQ(moved, 0u);
  return check_tensors(reference, grads);
}

// Plain SGD leaves the embedding to its rows where it is not tied: chunks of the rest then start elsewhere
// than with momentum, whose factor of 0 forgets the first window's gradient.
RunOptions two_layers(const std::string& cell, bool tied, const char* optimizer = "sgd") {
  RunOptions o;
  o.cell = cell;
  o.sizes = {64, 48};
  o.tied = tied;
  o.optimizer = optimizer;
  o.regularization.seed = 3;
  o.regularization.weights = {0.5, 0.3};
  return o;
}

TEST("weight drop: every gradient of two layers with rates of their own, every cell, tied and not") {
  for (const std::string& cell : cell_names()) {
    const double worst =
        std::max({check_run(two_layers(cell, false)), check_run(two_layers(cell, false, "momentum")),
                  check_run(two_layers(cell, true))});
    std::printf("     %s: largest relative error %.2e\n", cell.c_str(), worst);
  }
}

TEST("weight drop: of the second layer alone, and of the first; masks go by the layer") {
  for (const std::vector<double>& weights : {std::vector<double>{0.0, 0.4}, {0.4}}) {
    RunOptions o = two_layers("lstm", false);
    o.regularization.weights = weights;
    check_run(o);
  }
}

TEST("weight drop: a single stream, so that two of the ranks have none") {
  RunOptions o = two_layers("gru", true);
  o.shard_rows = {1};
  check_run(o);
}

TEST("weight drop with dropout of words, inputs and layers and both penalties: every gradient") {
  for (const std::string& cell : cell_names()) {
    double worst = 0.0;
    for (const bool tied : {false, true}) {
      RunOptions o = two_layers(cell, tied);
      const std::vector<double> weights = o.regularization.weights;
      o.regularization = everything(tied);  // locked masks in one, a mask a step in the other
      o.regularization.weights = weights;
      worst = std::max(worst, check_run(o));
    }
    std::printf("     %s: largest relative error %.2e\n", cell.c_str(), worst);
  }
}

}  // namespace
}  // namespace timernn::test
