// Dropout, penalties and tied weights: gradients against the double model with the same masks, and, with
// weight drop, the same bits for any number of ranks.
#include <cmath>
#include <cstdio>

#include "noise.h"
#include "reference/model.h"
#include "run.h"

namespace timernn::test {
namespace {

struct Check {
  Regularization regularization;
  std::string cell;
  bool tied;
  std::size_t T, n;
};

double check_gradients(const Check& c, std::uint64_t seed) {
  ModelSpec spec = make_spec(c.cell, 11, 4, {7, 5});
  if (c.tied) spec.tie();
  const Model model(spec);
  Random random(seed);
  std::vector<float> params = random.floats(model.length, 0.6),
                     state = random.floats(state_floats(spec, c.n), 0.8);
  std::vector<float> grads(model.length, 7.0f);
  const std::vector<std::uint32_t> tokens = random.tokens(c.n * (c.T + 1), 11);
  std::vector<std::uint32_t> starts;
  for (std::size_t r = 0; r < c.n; ++r) starts.push_back(static_cast<std::uint32_t>(r * (c.T + 1)));
  const WindowInput in{tokens.data(), tokens.size(), starts.data(), 0, c.n, c.T, 13, 2};
  Replica replica(spec, model.offsets, c.n, c.T, true, {}, c.regularization);
  const double scale = 1.0 / static_cast<double>(c.n * c.T);
  std::vector<double> exact = to_double(params), end;
  const std::vector<double> carried = to_double(state);
  double penalty = 0.0;
  const auto total = [&] {
    end = carried;
    const double loss = reference_model(spec, model.offsets, exact, end, in, &c.regularization, &penalty);
    return loss * scale + penalty;
  };
  const double expected = (total() - penalty) / scale;
  const double loss =
      replica.train_window(grads.data(), state.data(), params.data(), in, static_cast<float>(scale));
  CHECK_NEAR(loss, expected, 2e-6 * expected);
  double worst = relative_error(state, end);
  for (std::size_t i = 0; i < model.table.size(); ++i) {
    const std::size_t length = model.table[i].length(), first = model.offsets[i];
    std::vector<double> wanted(length);
    for (std::size_t e = 0; e < length; ++e) wanted[e] = central_difference(exact, first + e, total);
    const double error = relative_error(&grads[first], wanted.data(), length);
    // As for the replica without noise; what is kept is scaled up, so roundings are too.
    if (!CHECK_LE(error, 4e-5)) std::fprintf(stderr, "  in %s\n", model.table[i].name.c_str());
    worst = std::max(worst, error);
  }
  return worst;
}

TEST("every gradient with dropout of inputs, words and layers and both penalties, tied and not") {
  for (const std::string& cell : cell_names()) {
    double worst = 0.0;
    for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
      for (bool locked : {false, true}) {
        for (std::size_t T : {1, 4}) {
          for (std::size_t n : {1, 3}) {
            worst = std::max({worst, check_gradients({everything(locked), cell, false, T, n}, seed),
                              check_gradients({everything(locked), cell, true, T, n}, seed)});
          }
        }
      }
    }
    std::printf("     %s: largest relative error %.2e\n", cell.c_str(), worst);
  }
}

TEST("tied weights without noise, large enough for the packed head, and with one row") {
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    check_gradients({{}, "lstm", true, 6, 4}, seed);
    check_gradients({{}, "gru", true, 1, 1}, seed);
  }
}

TEST("penalties alone, where nothing drops out") {
  Regularization r;
  r.activation = 3.0;
  r.temporal = 2.0;
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) check_gradients({r, "rnn", false, 5, 2}, seed);
}

TEST("forward alone drops nothing") {
  const ModelSpec spec = make_spec("rnn", 9, 5, {6, 7});
  const Model model(spec);
  Random random(4);
  const std::vector<float> params = random.floats(model.length, 0.6);
  std::vector<float> state(state_floats(spec, 2)), other = state;
  const std::vector<std::uint32_t> tokens = random.tokens(20, 9), starts = {0, 10};
  const WindowInput in{tokens.data(), tokens.size(), starts.data(), 0, 2, 4};
  Replica plain(spec, model.offsets, 2, 4, true),
      noisy(spec, model.offsets, 2, 4, true, {}, everything(false));
  CHECK_EQ(plain.forward_window(state.data(), params.data(), in),
           noisy.forward_window(other.data(), params.data(), in));
  CHECK(same_bits(state, other));
}

RunOptions options(const std::string& optimizer, bool tied) {
  RunOptions o;
  o.cell = "lstm";
  o.optimizer = optimizer;
  o.learning_rate = 0.01;
  o.numbers = {0.9, 0.9, 0.999, 1e-8, 0.99, 1e-4, 0.75, optimizer == "momentum" ? 1e-3 : 0.0};
  o.regularization = everything(false);
  o.regularization.layers = {0.25};
  o.regularization.weights = {0.4};
  o.tied = tied;
  o.clip_value = 0.05;
  o.average_from = 7.0;
  o.averages = optimizer == "adam" || optimizer == "asgd";
  // A tensor each: embedding, Wx, Wh, b, and what the output layer has of its own.
  if (optimizer != "nesterov") o.rate_factors = {1.0, 0.5, 0.25, 0.0, 2.0, 0.5};
  return o;
}

TEST("the same bits for 1 to 4 ranks with every optimiser, all masks, and tied weights") {
  for (const Optimizer* optimizer : optimizers()) {
    for (bool tied : {false, true}) {
      Run alone(options(optimizer->name, tied));
      const std::vector<float> start = alone.params;
      const Outcome one = alone.go(1, 0, 20)[0];
      CHECK_EQ(one.error, std::string());
      CHECK(!same_bits(start, alone.params));
      CHECK(all_finite(alone.params));
      for (std::size_t workers : {2, 3, 4}) {
        Run many(options(optimizer->name, tied));
        many.go(workers, 0, 11);
        for (const Outcome& outcome : many.go(workers == 4 ? 1 : workers, 11, 20)) {
          CHECK_EQ(outcome.error, std::string());
          CHECK_EQ(outcome.result.gradient_norm, one.result.gradient_norm);
        }
        CHECK(same_bits(alone.params, many.params));
        for (std::size_t s = 0; s < alone.slots.size(); ++s) CHECK(same_bits(alone.slots[s], many.slots[s]));
      }
    }
  }
}

// SGD may go by the rows that a window touched; with an average, which never starts here, it goes over all.
TEST("the embedding by touched rows or as a whole: the same parameters up to the order of the norm's sum") {
  RunOptions rows, whole;
  rows.clip = whole.clip = 0.0;  // the norm is added up in another order
  whole.averages = true;
  whole.average_from = INFINITY;
  for (bool decays : {false, true}) {
    // Averaged SGD has a decay of its own, which reaches rows that no window touches.
    if (decays) {
      rows.optimizer = whole.optimizer = "asgd";
      rows.numbers.lambda = whole.numbers.lambda = 0.1;
    }
    Run a(rows), b(whole);
    a.go(2, 0, 20);
    b.go(2, 0, 20);
    CHECK(same_bits(a.params, b.params));
  }
}

// One step from the same parameters: by rows of the embedding (sgd) and as a whole.
TEST("factors of the learning rate: each tensor moves by its own, and with 0 not at all") {
  for (const char* optimizer : {"sgd", "adam"}) {
    RunOptions plain, scaled;
    plain.optimizer = scaled.optimizer = optimizer;
    plain.numbers = scaled.numbers = {0.0, 0.9, 0.999, 1e-8, 0.0, 0.0, 0.0, 0.0};
    plain.learning_rate = scaled.learning_rate = 0.0625;
    scaled.rate_factors = {0.5, 1.0, 0.0, 4.0, 0.25, 2.0};
    Run a(plain), b(scaled);
    const std::vector<float> start = a.params;
    CHECK_EQ(a.go(2, 0, 1)[0].error, std::string());
    CHECK_EQ(b.go(2, 0, 1)[0].error, std::string());
    const auto& table = a.model.table;
    CHECK_EQ(table.size(), scaled.rate_factors.size());
    for (std::size_t t = 0; t < table.size(); ++t) {
      double moved = 0.0, error = 0.0;
      for (std::size_t i = 0; i < table[t].length(); ++i) {
        const std::size_t at = a.model.offsets[t] + i;
        const double step = static_cast<double>(a.params[at]) - start[at];
        moved = std::max(moved, std::abs(step));
        error = std::max(error, std::abs(b.params[at] - start[at] - scaled.rate_factors[t] * step));
      }
      CHECK(moved > 0.0);
      CHECK(error <= 1e-6);
      if (scaled.rate_factors[t] == 0.0) CHECK_EQ(error, 0.0);
    }
  }
}

TEST("factors of the learning rate: one a tensor, finite and not below 0") {
  for (const auto& [factors, code] :
       {std::pair<std::vector<double>, std::string>{{1.0, 1.0}, "ERR_TIMERNN_SHAPE"},
        {{1.0, 1.0, -1.0, 1.0, 1.0, 1.0}, "ERR_TIMERNN_OPTION"},
        {{1.0, 1.0, 1.0, 1.0, 1.0, INFINITY}, "ERR_TIMERNN_OPTION"}}) {
    RunOptions o;
    o.rate_factors = factors;
    Run run(o);
    CHECK_EQ(thrown_code([&] { Runner runner(run.plan()); }), code);
  }
}

// Adam's mean of a gradient that stays zero shrinks by a tenth each step: after 900 of them it would be
// denormal, and stay so. The words that the corpus does not have are such rows.
TEST("slots whose gradient stays zero come to zero, and the thread's own arithmetic is left as it was") {
  RunOptions o;
  o.optimizer = "adam";
  o.learning_rate = 1e-4;
  o.numbers = {0.0, 0.1, 0.5, 1e-8};
  Run run(o);
  std::fill(run.slots[0].begin(), run.slots[0].begin() + 40, 1e-30f);  // a word's row
  for (std::uint32_t& token : run.tokens) token = 1 + token % 200;
  CHECK_EQ(run.go(2, 0, 20)[0].error, std::string());
  for (std::size_t i = 0; i < 40; ++i) CHECK_EQ(run.slots[0][i], 0.0f);
  volatile float small = 1e-38f;
  CHECK(small * 0.1f > 0.0f);
}

TEST("edges outside of the streams, or windows longer than the plan's, are refused") {
  Run run;
  run.edges[1] = 6;
  CHECK_EQ(run.go(1, 0, 1)[0].error, std::string("ERR_TIMERNN_OPTION"));
  Run past;
  past.edges[Run::kWindows] = Run::kStreamSteps + 1;
  CHECK_EQ(past.go(2, Run::kWindows - 1, Run::kWindows)[0].error, std::string("ERR_TIMERNN_OPTION"));
}

TEST("windows of different lengths and rates of their own") {
  Run run, fixed;
  run.edges[1] = 3;
  run.rates[0] = 0.0;
  const std::vector<float> start = run.params;
  CHECK_EQ(run.go(2, 0, 1)[0].result.tokens, 21u);
  CHECK(same_bits(start, run.params));
  fixed.go(1, 0, 1);
  CHECK(!same_bits(start, fixed.params));
}

}  // namespace
}  // namespace timernn::test
