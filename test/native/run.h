// A whole run in one process: the shared memory that src/train lays out, and ranks as threads.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "helpers.h"
#include "train/runner.h"

namespace timernn::test {

struct Outcome {
  RoundResult result;
  std::string error;  ///< the code, empty where the rank came back well
};

struct RunOptions {
  std::vector<std::size_t> shard_rows = {3, 2, 2};
  std::string cell = "rnn";
  double learning_rate = 0.5, clip = 0.25;
  bool shared_weights = true;  ///< one packed copy of the weights for all ranks, where products are packed
  std::string optimizer = "sgd";
  OptimizerNumbers numbers = {};
  Regularization regularization = {};
  bool tied = false;
  double clip_value = 0.0, average_from = 0.0;
  bool averages = false;
  std::vector<double> rate_factors = {};
  bool helps = true;                      ///< ranks help each other with weight gradients
  std::vector<std::size_t> sizes = {64};  ///< a recurrent layer
};

class Run {
 public:
  // 38,000 parameters with the one layer of RunOptions: five chunks, so that four ranks have ranges of
  // different lengths. 50 windows of 5 steps, the last one of 3.
  static constexpr std::size_t kWindow = 5, kStreamSteps = 248, kWindows = 50;
  static constexpr std::size_t kVocabulary = 300;

  explicit Run(RunOptions options = {})
      : model(spec_of(options)), params(model.initialised(5)), options_(std::move(options)) {
    std::size_t streams = 0;
    for (std::size_t rows : options_.shard_rows) {
      grads.emplace_back(model.length);
      states.emplace_back(state_floats(model.spec, rows));
      touched.emplace_back(Runner::touched_words(model.spec, rows, kWindow));
      streams += rows;
    }
    tokens = Random(6).tokens(streams * kStreamSteps + 1, kVocabulary);
    for (std::size_t i = 0; i < streams; ++i) starts.push_back(static_cast<std::uint32_t>(i * kStreamSteps));
    const std::size_t count = find_optimizer(options_.optimizer)->slot_count() + (options_.averages ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i) slots.emplace_back(model.length);
    if (options_.regularization.drops_weights()) dropped.resize(model.length);
    for (std::size_t w = 0; w <= kWindows; ++w) {
      edges.push_back(static_cast<std::uint32_t>(std::min(w * kWindow, kStreamSteps)));
    }
    rates.assign(kWindows, options_.learning_rate);
    if (options_.shared_weights) packed = Buffer(shared_packed_floats(model.spec));
    scratch.resize(Runner::scratch_doubles(model.length, options_.shard_rows.size()));
  }

  /// Windows [from, to) on `workers` ranks.
  std::vector<Outcome> go(std::size_t workers, std::size_t from, std::size_t to, double loss_before = 0.0) {
    std::vector<std::unique_ptr<Runner>> runners;
    if (options_.helps) make_places(workers);
    for (std::size_t r = 0; r < workers; ++r) runners.push_back(std::make_unique<Runner>(plan()));
    std::vector<Outcome> outcomes(workers);
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < workers; ++r) {
      threads.emplace_back([&, r] {
        outcomes[r].error = thrown_code([&] {
          outcomes[r].result = runners[r]->run({r, workers, from, to, options_.clip, from,
                                                options_.clip_value, options_.average_from, loss_before});
        });
        if (outcomes[r].error == "nothing") outcomes[r].error.clear();
      });
    }
    for (std::thread& t : threads) t.join();
    return outcomes;
  }
  /// Places for the work of `ranks`, as far as they have shards.
  void make_places(std::size_t ranks) {
    const std::size_t rows = *std::max_element(options_.shard_rows.begin(), options_.shard_rows.end());
    const std::size_t floats = Runner::work_floats(model.spec, rows, kWindow);
    while (floats > 0 && work.size() < std::min(ranks, options_.shard_rows.size())) work.emplace_back(floats);
  }
  RunPlan plan() {
    RunPlan p{
        model.spec,    model.offsets, params.data(), model.length, {},      {},           options_.shard_rows,
        tokens.data(), tokens.size(), starts.data(), kStreamSteps, kWindow, edges.data(), rates.data(),
        kWindows,      words,         scratch.data()};
    p.optimizer = find_optimizer(options_.optimizer);
    p.numbers = options_.numbers;
    p.regularization = options_.regularization;
    for (auto& s : slots) p.slots.push_back(s.data());
    p.averages = options_.averages;
    p.rate_factors = options_.rate_factors;
    if (!dropped.empty()) p.dropped = dropped.data();
    for (auto& g : grads) p.grads.push_back(g.data());
    for (auto& s : states) p.states.push_back(s.data());
    for (auto& t : touched) p.touched.push_back(t.data());
    if (packed.size() > 0) p.packed = packed.data();
    for (auto& w : work) p.work.push_back(w.data());
    return p;
  }
  /// A rank's count of parts that were taken, at the end of the control block.
  std::int32_t& taken(std::size_t rank) {
    return words[Control::kWords - (Control::kMostSharing - rank) * 16];
  }
  Control control() { return Control(words); }

  Model model;
  std::vector<float> params;
  std::vector<std::vector<float>> grads, states, slots;
  std::vector<std::uint32_t> edges;
  std::vector<double> rates;
  std::vector<std::vector<std::uint32_t>> touched;
  std::vector<std::uint32_t> tokens, starts;
  std::vector<Buffer> work;

 private:
  static ModelSpec spec_of(const RunOptions& options) {
    ModelSpec spec = make_spec(options.cell, kVocabulary, 40, options.sizes);
    if (options.tied) spec.tie();
    return spec;
  }
  RunOptions options_;
  std::vector<double> scratch;
  std::vector<float> dropped;
  Buffer packed;
  alignas(64) std::int32_t words[Control::kWords] = {};
};

}  // namespace timernn::test
