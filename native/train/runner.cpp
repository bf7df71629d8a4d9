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
               std::min(plan_.window, plan_.stream_steps), true, plan_.packed),
      control_(plan_.control),
      placement_(control_.cores()),
      rows_(plan_.spec.vocabulary) {
  check_plan();
  std::size_t first = 0;
  for (std::size_t rows : plan_.shard_rows) {
    first_stream_.push_back(first);
    first += rows;
  }
  for (std::size_t s = 0; s < plan_.touched.size(); ++s) {
    touched_.push_back({plan_.touched[s], touched_words(plan_.spec, plan_.shard_rows[s], plan_.window)});
  }
  // Windows that are too small for it would not read it.
  if (!replica_.reads_packed()) plan_.packed = nullptr;
  if (plan_.packed != nullptr) packed_ = PackedModel(plan_.spec, true);
  for (float* grads : plan_.grads) {
    tables_.push_back(grads + plan_.offsets[0]);
    dense_.push_back(grads + plan_.offsets[1]);
  }
  for (std::size_t offset : plan_.offsets) tensors_.push_back(plan_.params + offset);
}

// The embedding goes by rows, everything behind it by chunks.
void Runner::check_plan() const {
  const std::size_t end = plan_.offsets[0] + plan_.spec.vocabulary * plan_.spec.embedding;
  const std::size_t next = *std::min_element(plan_.offsets.begin() + 1, plan_.offsets.end());
  if (end <= next && next == plan_.offsets[1]) return;
  throw Error("ERR_TIMERNN_SHAPE", "Expected the embedding to lie before all other tensors, got offset " +
                                       std::to_string(plan_.offsets[0]) + " for it and " +
                                       std::to_string(next) + " for another");
}

std::size_t Runner::scratch_doubles(std::size_t params_length, std::size_t shards) {
  return shards + kRowChunks + reduce_chunks(params_length);
}

std::size_t Runner::touched_words(const ModelSpec& spec, std::size_t rows, std::size_t window) {
  return TouchedRows::capacity(rows * window, spec.vocabulary);
}

// Every rank packs its share of the weights, and all read the whole: the work is divided, and there is one
// copy in cache.
void Runner::pack_weights(const RoundCall& call) {
  if (plan_.packed == nullptr) return;
  packed_.pack(plan_.packed, tensors_.data(), call.rank, call.workers);
}

void Runner::compute_shards(const RoundCall& call, std::size_t window, std::size_t steps) {
  const float scale = static_cast<float>(1.0 / (static_cast<double>(streams_) * static_cast<double>(steps)));
  for (std::size_t s = call.rank; s < plan_.shard_rows.size(); s += call.workers) {
    const WindowInput in{plan_.tokens,          plan_.length,        plan_.stream_starts + first_stream_[s],
                         window * plan_.window, plan_.shard_rows[s], steps};
    plan_.scratch[s] =
        replica_.train_window(plan_.grads[s], plan_.states[s], plan_.params, in, scale, &touched_[s]);
  }
}

void Runner::reduce(const RoundCall& call) {
  reduce_gradients(dense_squares(), dense_.data(), dense_.size(), dense_length(),
                   chunks_of(dense_length(), call.rank, call.workers));
  rows_.reduce(row_squares(), embedding(), call.rank, call.workers);
}

EmbeddingGradients Runner::embedding() const {
  return {tables_.data(), touched_.data(), tables_.size(), plan_.spec.vocabulary, plan_.spec.embedding};
}

void Runner::update(const RoundCall& call, double norm) {
  const Optimizer& optimizer = *find_optimizer("sgd");
  const float clip = static_cast<float>(clip_factor(norm, call.clip));
  const float rate = static_cast<float>(call.learning_rate);
  rows_.update(optimizer, plan_.params + plan_.offsets[0], embedding(), clip, rate);
  const ChunkRange range = chunks_of(dense_length(), call.rank, call.workers);
  const std::size_t begin = range.begin * kReduceChunk;
  const std::size_t end = std::min(range.end * kReduceChunk, dense_length());
  if (begin >= end) return;
  optimizer.update({plan_.params + plan_.offsets[1] + begin, dense_[0] + begin, clip, rate, end - begin});
}

void Runner::run_window(const RoundCall& call, std::size_t window, RoundResult& result) {
  const auto workers = static_cast<std::int32_t>(call.workers);
  const std::size_t steps = std::min(plan_.window, plan_.stream_steps - window * plan_.window);
  placement_.settle(call.rank, call.workers);
  auto mark = Clock::now();
  pack_weights(call);
  lap(mark, result.seconds.window);
  if (plan_.packed != nullptr) control_.barrier(workers);
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
  const double norm = global_norm(row_squares(), kRowChunks + reduce_chunks(dense_length()));
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
