// Windows in lockstep; see runner.h.
#include "runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>

#include "../core/error.h"
#include "../optim/optimizer.h"
#include "../optim/reduce.h"

namespace timernn {

namespace {
using Clock = std::chrono::steady_clock;

// Adds the time since `mark` to `sum` and moves the mark.
void lap(Clock::time_point& mark, double& sum) {
  const auto now = Clock::now();
  sum += std::chrono::duration<double>(now - mark).count();
  mark = now;
}
}  // namespace

Runner::Runner(RunPlan plan)
    : plan_(std::move(plan)),
      streams_(std::accumulate(plan_.shard_rows.begin(), plan_.shard_rows.end(), std::size_t{0})),
      replica_(plan_.spec, plan_.offsets, *std::max_element(plan_.shard_rows.begin(), plan_.shard_rows.end()),
               std::min(plan_.window, plan_.stream_steps), true, plan_.packed_head),
      control_(plan_.control) {
  std::size_t first = 0;
  for (std::size_t rows : plan_.shard_rows) {
    first_stream_.push_back(first);
    first += rows;
  }
}

std::size_t Runner::scratch_doubles(std::size_t params_length, std::size_t shards) {
  return shards + reduce_chunks(params_length);
}

// Every rank packs its share of the output layer, and all read the whole: half the work for two, and one copy
// in cache.
void Runner::pack_weights(const RoundCall& call) {
  if (plan_.packed_head == nullptr) return;
  const std::size_t w = plan_.offsets.size() - 2;
  pack_head(plan_.packed_head,
            {plan_.params + plan_.offsets[w], plan_.params + plan_.offsets[w + 1], plan_.spec.output_size(),
             plan_.spec.vocabulary},
            true, call.rank, call.workers);
}

void Runner::compute_shards(const RoundCall& call, std::size_t window, std::size_t steps) {
  const float scale = static_cast<float>(1.0 / (static_cast<double>(streams_) * static_cast<double>(steps)));
  for (std::size_t s = call.rank; s < plan_.shard_rows.size(); s += call.workers) {
    const WindowInput in{plan_.tokens,          plan_.length,        plan_.stream_starts + first_stream_[s],
                         window * plan_.window, plan_.shard_rows[s], steps};
    plan_.scratch[s] = replica_.train_window(plan_.grads[s], plan_.states[s], plan_.params, in, scale);
  }
}

void Runner::reduce(const RoundCall& call) {
  double* squares = plan_.scratch + plan_.shard_rows.size();
  reduce_gradients(squares, plan_.grads.data(), plan_.grads.size(), plan_.params_length,
                   chunks_of(plan_.params_length, call.rank, call.workers));
}

void Runner::update(const RoundCall& call, double norm) {
  const ChunkRange range = chunks_of(plan_.params_length, call.rank, call.workers);
  const std::size_t begin = range.begin * kReduceChunk;
  const std::size_t end = std::min(range.end * kReduceChunk, plan_.params_length);
  if (begin >= end) return;
  find_optimizer("sgd")->update({plan_.params + begin, plan_.grads[0] + begin,
                                 static_cast<float>(clip_factor(norm, call.clip)),
                                 static_cast<float>(call.learning_rate), end - begin});
}

void Runner::run_window(const RoundCall& call, std::size_t window, RoundResult& result) {
  const auto workers = static_cast<std::int32_t>(call.workers);
  const std::size_t steps = std::min(plan_.window, plan_.stream_steps - window * plan_.window);
  auto mark = Clock::now();
  pack_weights(call);
  lap(mark, result.seconds.window);
  if (plan_.packed_head != nullptr) control_.barrier(workers);
  lap(mark, result.seconds.wait);
  compute_shards(call, window, steps);
  lap(mark, result.seconds.window);
  control_.barrier(workers);
  lap(mark, result.seconds.wait);
  reduce(call);
  double loss = 0.0;
  for (std::size_t s = 0; s < plan_.shard_rows.size(); ++s) loss += plan_.scratch[s];
  lap(mark, result.seconds.reduce);
  control_.barrier(workers);
  lap(mark, result.seconds.wait);
  const double norm = global_norm(plan_.scratch + plan_.shard_rows.size(), plan_.params_length);
  if (!std::isfinite(norm) || !std::isfinite(loss)) {
    throw Error("ERR_TIMERNN_DIVERGED", "Expected a finite loss and gradient, got loss " +
                                            std::to_string(loss) + " and gradient norm " +
                                            std::to_string(norm) + " in window " + std::to_string(window) +
                                            "; a smaller learningRate or clip may help");
  }
  if (call.rank == 0) control_.decide_stop(control_.cancel_requested());
  update(call, norm);
  lap(mark, result.seconds.update);
  control_.barrier(workers);
  lap(mark, result.seconds.wait);
  ++result.windows;
  result.loss_sum += loss;
  result.tokens += streams_ * steps;
  result.gradient_norm = norm;
}

// A rank or a window outside the plan would be an address outside its arrays.
void Runner::check(const RoundCall& call) const {
  const std::size_t windows = (plan_.stream_steps + plan_.window - 1) / plan_.window;
  if (call.rank < call.workers && call.to <= windows) return;
  throw Error("ERR_TIMERNN_OPTION", "Expected a rank below " + std::to_string(call.workers) +
                                        " and windows up to " + std::to_string(windows) + ", got rank " +
                                        std::to_string(call.rank) + " and windows up to " +
                                        std::to_string(call.to));
}

RoundResult Runner::run(const RoundCall& call) {
  RoundResult result;
  try {
    check(call);
    for (std::size_t w = call.from; w < call.to && !result.stopped; ++w) {
      run_window(call, w, result);
      result.stopped = control_.stop_decided();
    }
  } catch (...) {
    control_.poison();
    throw;
  }
  return result;
}

}  // namespace timernn
