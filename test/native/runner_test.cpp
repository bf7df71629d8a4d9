// Rounds: the same bits for any number of ranks, rounds that join, cancellation at one edge.
#include "train/runner.h"

#include <atomic>
#include <cstdint>
#include <cstdio>

#include "reference/model.h"
#include "run.h"

namespace timernn::test {
namespace {

void check_same(Run& a, Run& b, const Outcome& x, const Outcome& y) {
  CHECK(same_bits(a.params, b.params));
  for (std::size_t s = 0; s < a.states.size(); ++s) CHECK(same_bits(a.states[s], b.states[s]));
  CHECK_EQ(x.result.windows, y.result.windows);
  CHECK_EQ(x.result.loss_sum, y.result.loss_sum);
  CHECK_EQ(x.result.gradient_norm, y.result.gradient_norm);
  CHECK_EQ(x.result.tokens, y.result.tokens);
}

TEST("the same bits for 1 to 4 ranks after 50 windows, for 1 to 5 shards, even and uneven") {
  const std::vector<std::vector<std::size_t>> splits = {{7},          {4, 3},          {3, 2, 2},
                                                        {2, 2, 2, 1}, {2, 2, 1, 1, 1}, {1, 5, 1}};
  for (const std::string& cell : cell_names()) {
    for (const auto& shard_rows : splits) {
      // What differs between cells does not depend on the split.
      if (cell != "rnn" && shard_rows.size() != 3) continue;
      Run alone({shard_rows, cell});
      const std::vector<float> start = alone.params;
      const Outcome one = alone.go(1, 0, Run::kWindows)[0];
      CHECK_EQ(one.error, std::string());
      CHECK_EQ(one.result.windows, Run::kWindows);
      CHECK_EQ(one.result.tokens, 7 * Run::kStreamSteps);
      CHECK(!same_bits(start, alone.params));
      CHECK(all_finite(alone.params));
      for (std::size_t workers : {2, 3, 4}) {
        Run many({shard_rows, cell});
        for (const Outcome& outcome : many.go(workers, 0, Run::kWindows)) {
          CHECK_EQ(outcome.error, std::string());
          check_same(alone, many, one, outcome);
        }
      }
    }
  }
}

TEST("more ranks than shards and chunks: the idle ones change nothing") {
  Run alone, many;
  const Outcome one = alone.go(1, 0, 10)[0];
  for (const Outcome& outcome : many.go(8, 0, 10)) check_same(alone, many, one, outcome);
}

TEST("the weights packed by all ranks together, or by each for itself: the same bits") {
  Run shared, own({{3, 2, 2}, "rnn", 0.5, 0.25, false});
  const Outcome one = shared.go(3, 0, 10)[0];
  check_same(shared, own, one, own.go(2, 0, 10)[0]);
}

TEST("ranks that help each other with weight gradients, or do not: the same bits") {
  for (const std::string& cell : cell_names()) {
    for (const bool tied : {false, true}) {
      RunOptions options{{3, 2, 2}, cell};
      options.tied = tied;
      Run helped(options);
      options.helps = false;
      Run alone(options);
      const Outcome one = helped.go(2, 0, 10)[0];
      check_same(helped, alone, one, alone.go(2, 0, 10)[0]);
    }
  }
}

// Rank 0 is this thread, which offers its weight gradients and takes none; rank 1 has no shard.
void check_helper(const std::string& cell, bool tied) {
  RunOptions options{{7}, cell};
  options.tied = tied;
  options.shared_weights = false;
  Run run(options), alone(options);
  run.make_places(2);
  if (run.work.empty()) return;  // this CPU packs nothing
  const RunPlan plan = run.plan();
  std::string error;
  std::thread helper([&] { error = thrown_code([&] { Runner(plan).run({1, 2, 0, 1, 0.0}); }); });
  const WindowInput in{plan.tokens, plan.length, plan.stream_starts, 0, 7, Run::kWindow};
  const float scale = 1.0f / (7 * Run::kWindow);
  Replica replica(plan.spec, plan.offsets, 7, Run::kWindow, true, {nullptr, true});
  Replica whole(plan.spec, plan.offsets, 7, Run::kWindow, true);
  replica.work_in(plan.work[0]);
  replica.train_window(plan.grads[0], plan.states[0], plan.params, in, scale, nullptr, true);
  run.control().offer(0);
  run.control().barrier(2);  // the gradients of all ranks are there
  std::vector<float> grads(plan.params_length);
  whole.train_window(grads.data(), alone.states[0].data(), plan.params, in, scale);
  // The other rank goes on to the reduction, which leaves one shard's sum as it is, and to no update.
  run.control().poison();
  helper.join();
  CHECK(same_bits(run.grads[0], grads));
  CHECK_EQ(error, std::string("ERR_TIMERNN_WORKER"));
}

TEST("a rank without a shard makes the weight gradients that another one offers") {
  for (const std::string& cell : cell_names()) {
    for (const bool tied : {false, true}) check_helper(cell, tied);
  }
}

TEST("a count that somebody else overwrites: no address outside, and an end") {
  Run run;
  std::atomic<bool> over{false};
  std::thread vandal([&] {
    std::atomic_ref<std::int32_t> word(run.taken(1));
    while (!over.load()) word.store(INT32_MAX);  // an offer whose parts are gone
  });
  for (const Outcome& outcome : run.go(2, 0, 10)) {
    CHECK(outcome.error.empty() || outcome.error == "ERR_TIMERNN_DIVERGED" ||
          outcome.error == "ERR_TIMERNN_WORKER");
  }
  over.store(true);
  vandal.join();
}

TEST("fewer places for work than ranks with a shard are refused") {
  Run run;
  run.make_places(1);
  if (run.work.empty()) return;
  CHECK_CODE(Runner(run.plan()).run({0, 2, 0, 1, 0.0}), "ERR_TIMERNN_OPTION");
}

TEST("rounds join: [0, 20), [20, 50) by other numbers of ranks are one run") {
  Run whole, parts;
  const double loss = whole.go(2, 0, Run::kWindows)[0].result.loss_total;
  const double first = parts.go(3, 0, 20)[0].result.loss_total;
  const double second = parts.go(1, 20, 21, first)[0].result.loss_total;
  const Outcome last = parts.go(2, 21, Run::kWindows, second)[0];
  CHECK(same_bits(whole.params, parts.params));
  CHECK_LT(first, second);
  CHECK_EQ(last.result.loss_total, loss);
  CHECK_NEAR(last.result.loss_sum, loss - second, 1e-9 * loss);
}

TEST("shards: another split gives the same model up to rounding") {
  Run one({{7}}), five({{2, 2, 1, 1, 1}});
  const Outcome a = one.go(1, 0, 1)[0], b = five.go(1, 0, 1)[0];
  CHECK_NEAR(a.result.loss_sum, b.result.loss_sum, 1e-6 * a.result.loss_sum);
  CHECK_NEAR(a.result.gradient_norm, b.result.gradient_norm, 1e-5 * a.result.gradient_norm);
  CHECK_LE(relative_error(one.params, to_double(five.params)), 1e-6);
}

TEST("the first window's loss is the double model's; streams start where the plan says") {
  Run run({{4, 3}});
  std::vector<double> state(state_floats(run.model.spec, 7));
  const std::vector<double> params = to_double(run.params);
  const WindowInput in{run.tokens.data(), run.tokens.size(), run.starts.data(), 0, 7, Run::kWindow};
  const double expected = reference_model(run.model.spec, run.model.offsets, params, state, in);
  CHECK_NEAR(run.go(2, 0, 1)[0].result.loss_sum, expected, 1e-6 * expected);
}

TEST("training learns: the loss of a repeated corpus falls") {
  Run run({{3, 2, 2}, "rnn", 1.0, 1.0});
  for (std::size_t i = 0; i < run.tokens.size(); ++i) run.tokens[i] = static_cast<std::uint32_t>(i % 7);
  const double first = run.go(2, 0, 1)[0].result.loss_sum;
  run.go(2, 1, Run::kWindows - 2);
  const double last = run.go(2, Run::kWindows - 2, Run::kWindows - 1)[0].result.loss_sum;
  CHECK_LT(last, 0.5 * first);
}

TEST("clipping: the step's length is learning rate times clip when the gradient is longer") {
  Run run({{7}, "rnn", 0.5, 0.01});
  const std::vector<float> before = run.params;
  const double norm = run.go(2, 0, 1)[0].result.gradient_norm;
  CHECK_GT(norm, 0.01);
  double square = 0.0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double step = static_cast<double>(run.params[i]) - static_cast<double>(before[i]);
    square += step * step;
  }
  CHECK_NEAR(std::sqrt(square), 0.5 * 0.01, 1e-5);
}

TEST("cancelled before the round: all ranks stop after the same single window") {
  Run reference, run;
  reference.go(1, 0, 1);
  run.control().cancel();
  for (const Outcome& outcome : run.go(3, 0, Run::kWindows)) {
    CHECK_EQ(outcome.error, std::string());
    CHECK(outcome.result.stopped);
    CHECK_EQ(outcome.result.windows, std::size_t{1});
  }
  CHECK(same_bits(reference.params, run.params));
}

TEST("cancelled at any moment: all ranks stop at one edge, with the parameters of that edge") {
  std::vector<std::vector<float>> edges;
  Run reference;
  for (std::size_t w = 0; w < Run::kWindows; ++w) {
    edges.push_back(reference.params);
    reference.go(1, w, w + 1);
  }
  edges.push_back(reference.params);
  for (int round = 0; round < 20; ++round) {
    Run run;
    // How far the ranks are by then is left to the scheduler: what is asserted holds wherever they are.
    std::thread canceller([&] {
      for (int i = 0; i < round * 40; ++i) std::this_thread::yield();
      run.control().cancel();
    });
    const std::vector<Outcome> outcomes = run.go(3, 0, Run::kWindows);
    canceller.join();
    const std::size_t done = outcomes[0].result.windows;
    for (const Outcome& outcome : outcomes) {
      CHECK_EQ(outcome.error, std::string());
      CHECK_EQ(outcome.result.windows, done);
      CHECK_EQ(outcome.result.stopped, outcomes[0].result.stopped);
      CHECK(outcome.result.stopped || done == Run::kWindows);
    }
    CHECK(same_bits(run.params, edges[done]));
  }
}

}  // namespace
}  // namespace timernn::test
