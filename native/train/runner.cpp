// Windows in lockstep; see runner.h.
#include "runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "../core/denormals.h"
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
               std::min(plan_.window, plan_.stream_steps), true, {plan_.packed, !plan_.work.empty()},
               plan_.regularization),
      control_(plan_.control),
      placement_(control_.cores()),
      rows_(plan_.spec.vocabulary),
      sparse_(!plan_.spec.tied && plan_.slot_count() == 0 && plan_.numbers.weight_decay == 0.0 &&
              plan_.numbers.lambda == 0.0),
      rate_ranges_(rate_ranges(plan_)),
      weight_drop_(plan_.spec, plan_.offsets, plan_.regularization, dense_first()) {
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
    dense_.push_back(grads + dense_first());
  }
  for (std::size_t offset : plan_.offsets) tensors_.push_back(plan_.params + offset);
  for (std::size_t tensor : weight_drop_.tensors()) {
    tensors_[tensor] = plan_.dropped + plan_.offsets[tensor];
    replica_.read_instead(tensor, tensors_[tensor]);
  }
}

std::vector<Runner::RateRange> Runner::rate_ranges(const RunPlan& plan) {
  const std::vector<double>& factors = plan.rate_factors;
  if (factors.empty()) return {{plan.params_length, 1.0}};
  if (factors.size() != plan.offsets.size()) {
    throw Error("ERR_TIMERNN_SHAPE", "Expected " + std::to_string(plan.offsets.size()) +
                                         " factors of the learning rate, one a tensor, got " +
                                         std::to_string(factors.size()));
  }
  std::vector<std::pair<std::size_t, double>> starts;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!std::isfinite(factors[i]) || factors[i] < 0.0) {
      throw Error("ERR_TIMERNN_OPTION", "Expected a finite factor of the learning rate of at least 0, got " +
                                            std::to_string(factors[i]));
    }
    starts.emplace_back(plan.offsets[i], factors[i]);
  }
  std::sort(starts.begin(), starts.end());
  std::vector<RateRange> ranges;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t end = i + 1 < starts.size() ? starts[i + 1].first : plan.params_length;
    if (!ranges.empty() && ranges.back().factor == starts[i].second) {
      ranges.back().end = end;
    } else {
      ranges.push_back({end, starts[i].second});
    }
  }
  return ranges;
}

// The embedding goes by rows, everything behind it by chunks.
void Runner::check_plan() const {
  const std::size_t end = plan_.offsets[0] + plan_.spec.vocabulary * plan_.spec.embedding;
  const std::size_t next = *std::min_element(plan_.offsets.begin() + 1, plan_.offsets.end());
  if (plan_.slots.size() != plan_.slot_count() || (plan_.dropped == nullptr && !weight_drop_.none())) {
    throw Error("ERR_TIMERNN_SHAPE", "Expected " + std::to_string(plan_.slot_count()) +
                                         " slots, and a place for dropped weights where they drop, got " +
                                         std::to_string(plan_.slots.size()) + " and " +
                                         (plan_.dropped == nullptr ? "none" : "one"));
  }
  // Masks are drawn eight numbers at a time, and tensors lie on lines of 16.
  const bool lined =
      std::all_of(plan_.offsets.begin(), plan_.offsets.end(), [](auto at) { return at % 16 == 0; });
  if (end <= next && next == plan_.offsets[1] && (lined || weight_drop_.none())) return;
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
    const WindowInput in{plan_.tokens,
                         plan_.length,
                         plan_.stream_starts + first_stream_[s],
                         plan_.edges[window],
                         plan_.shard_rows[s],
                         steps,
                         static_cast<std::uint32_t>(call.done + window - call.from),
                         static_cast<std::uint32_t>(first_stream_[s])};
    const bool last = s + call.workers >= plan_.shard_rows.size();
    plan_.scratch[s] =
        replica_.train_window(plan_.grads[s], plan_.states[s], plan_.params, in, scale,
                              plan_.spec.tied ? nullptr : &touched_[s], last && leaves(call, call.rank));
  }
}

// All parts of a rank's last shard that nobody has taken.
void Runner::help(const RoundCall& call, std::size_t rank, std::size_t steps) {
  const std::size_t shards = plan_.shard_rows.size();
  const std::size_t shard = rank + (shards - 1 - rank) / call.workers * call.workers;
  const std::size_t rows = plan_.shard_rows[shard] * steps, parts = replica_.weight_parts(rows);
  for (std::size_t part = control_.take(rank, parts); part < parts; part = control_.take(rank, parts)) {
    replica_.weight_part(plan_.grads[shard], plan_.work[rank], rows, part);
  }
}

// Whoever is late is waited for as well: it may be the one that needs help most.
void Runner::share_weights(const RoundCall& call, std::size_t steps, RoundSeconds& seconds) {
  auto mark = Clock::now();
  if (leaves(call, call.rank)) control_.offer(call.rank);
  while (!control_.poisoned()) {
    const std::int32_t offers = control_.offer_count();
    bool late = false;
    for (std::size_t i = 0; i < call.workers; ++i) {
      const std::size_t rank = (call.rank + i) % call.workers;
      if (!leaves(call, rank)) continue;
      if (control_.offers(rank)) {
        help(call, rank, steps);
      } else {
        late = true;
      }
    }
    lap(mark, seconds.window);
    if (!late) return;
    control_.await_offer(offers, static_cast<std::int32_t>(call.workers));
    lap(mark, seconds.wait);
  }
}

std::size_t Runner::work_floats(const ModelSpec& spec, std::size_t rows, std::size_t window) {
  return Replica::work_floats(spec, rows, window);
}

void Runner::reduce(const RoundCall& call) {
  const ChunkRange range = my_chunks(call);
  reduce_gradients(dense_squares(), dense_.data(), dense_.size(), dense_length(), range);
  if (!weight_drop_.none()) weight_drop_.mask(plan_.grads[0], dense_squares(), plan_.params_length, range);
  if (sparse_) {
    rows_.reduce(row_squares(), embedding(), call.rank, call.workers);
  } else if (call.rank == 0) {
    std::fill(row_squares(), row_squares() + kRowChunks, 0.0);
  }
}

EmbeddingGradients Runner::embedding() const {
  return {tables_.data(), touched_.data(), tables_.size(), plan_.spec.vocabulary, plan_.spec.embedding};
}

void Runner::update(const RoundCall& call, std::size_t window, double norm) {
  UpdateArgs args{
      nullptr,
      nullptr,
      {},
      0,
      static_cast<float>(clip_factor(norm, call.clip)),
      call.clip_value > 0.0 ? static_cast<float>(call.clip_value) : std::numeric_limits<float>::infinity(),
      plan_.rates[window],
      static_cast<double>(call.done + window - call.from + 1),
      plan_.numbers};
  // A step of 0 would still flush denormals.
  if (sparse_ && rate_ranges_.front().factor > 0.0) {
    UpdateArgs rows = args;
    rows.learning_rate *= rate_ranges_.front().factor;
    rows_.update(*plan_.optimizer, plan_.params + plan_.offsets[0], embedding(), rows);
  }
  update_chunks(args, call.average_from, my_chunks(call));
}

void Runner::update_range(const UpdateArgs& args, std::size_t begin, std::size_t end) const {
  for (const RateRange& range : rate_ranges_) {
    const std::size_t last = std::min(end, range.end);
    if (begin >= last) continue;
    const std::size_t first = begin;
    begin = last;
    if (range.factor == 0.0) continue;
    UpdateArgs part = args;
    part.params = plan_.params + first;
    part.grads = plan_.grads[0] + first;
    for (std::size_t s = 0; s < plan_.optimizer->slot_count(); ++s) part.slots[s] = plan_.slots[s] + first;
    part.n = last - first;
    part.learning_rate *= range.factor;
    plan_.optimizer->update(part);
  }
}

void Runner::update_chunks(const UpdateArgs& args, double average_from, ChunkRange range) {
  // Where a list says which rows of the table a window will clear, shard 0 must not be left with the sum's.
  const std::size_t table = sparse_ || plan_.spec.tied ? 0 : plan_.offsets[1] - dense_first();
  for (std::size_t c = range.begin; c < range.end; ++c) {
    const std::size_t begin = c * kReduceChunk, end = std::min(begin + kReduceChunk, dense_length());
    const std::size_t place = dense_first() + begin;
    update_range(args, place, dense_first() + end);
    if (plan_.averages) {
      // The parameters are in cache still.
      average_parameters(plan_.slots.back() + place, plan_.params + place, end - begin, args.step,
                         average_from);
    }
    if (begin < table) std::fill(dense_[0] + begin, dense_[0] + std::min(end, table), 0.0f);
  }
}

// The plan's edges lie in shared memory: nothing is read outside the corpus or written outside the workspace
// for what they say.
std::size_t Runner::steps_of(std::size_t window) const {
  const std::size_t begin = plan_.edges[window], end = plan_.edges[window + 1];
  if (begin < end && end - begin <= plan_.window && end <= plan_.stream_steps) return end - begin;
  throw Error("ERR_TIMERNN_OPTION", "Expected windows of 1 to " + std::to_string(plan_.window) +
                                        " steps within " + std::to_string(plan_.stream_steps) + ", got [" +
                                        std::to_string(begin) + ", " + std::to_string(end) + ")");
}

void Runner::drop_weights(const RoundCall& call, std::size_t window) {
  if (weight_drop_.none()) return;
  weight_drop_.drop(plan_.dropped, plan_.params, static_cast<std::uint32_t>(call.done + window - call.from),
                    my_chunks(call));
}

void Runner::run_window(const RoundCall& call, std::size_t window, RoundResult& result) {
  const auto workers = static_cast<std::int32_t>(call.workers);
  const std::size_t steps = steps_of(window);
  placement_.settle(call.rank, call.workers);
  auto mark = Clock::now();
  drop_weights(call, window);
  lap(mark, result.seconds.window);
  if (!weight_drop_.none()) control_.barrier(workers);
  lap(mark, result.seconds.wait);
  pack_weights(call);
  lap(mark, result.seconds.window);
  if (plan_.packed != nullptr) control_.barrier(workers);
  lap(mark, result.seconds.wait);
  compute_shards(call, window, steps);
  lap(mark, result.seconds.window);
  share_weights(call, steps, result.seconds);
  mark = Clock::now();
  control_.barrier(workers);
  if (leaves(call, call.rank)) control_.withdraw(call.rank);
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
  update(call, window, norm);
  lap(mark, result.seconds.update);
  control_.barrier(workers);
  lap(mark, result.seconds.wait);
  ++result.windows;
  result.loss_sum += loss;
  result.loss_total += loss;
  result.tokens += streams_ * steps;
  result.gradient_norm = norm;
}

// A rank or a window outside the plan would be an address outside its arrays.
void Runner::check(const RoundCall& call) const {
  const std::size_t windows = plan_.windows, places = plan_.work.size();
  if (call.rank >= call.workers || call.to > windows) {
    throw Error("ERR_TIMERNN_OPTION", "Expected a rank below " + std::to_string(call.workers) +
                                          " and windows up to " + std::to_string(windows) + ", got rank " +
                                          std::to_string(call.rank) + " and windows up to " +
                                          std::to_string(call.to));
  }
  const std::size_t wanted = std::min(call.workers, plan_.shard_rows.size());
  if (places == 0 || places >= wanted) return;
  throw Error("ERR_TIMERNN_OPTION", "Expected places for the work of none or at least " +
                                        std::to_string(wanted) + " ranks, got " + std::to_string(places));
}

RoundResult Runner::run(const RoundCall& call) {
  RoundResult result;
  result.loss_total = call.loss_before;
  const FlushDenormals flush;  // all ranks alike, so the bits do not depend on who computes what
  try {
    check(call);
    if (call.rank < plan_.work.size()) replica_.work_in(plan_.work[call.rank]);
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
