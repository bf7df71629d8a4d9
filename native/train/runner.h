// A round: windows [from, to) in lockstep over all ranks of a run, without coming back to JavaScript.
//
//   per window:  (drop weights of my range │ barrier │) pack my share of the weights │ barrier │ gradients of
//   my shards, then parts of the weights' gradients, mine and others' │ barrier │ reduce my range, square it
//   │ barrier │ clip, update my range │ barrier
//
// Cores are not equally fast for long: a rank leaves the weight gradients of its last shard to the end, in
// parts, and who is done helps the others. The parts are the same whoever multiplies them, and so are the
// bits.
//
// Refuses to do: choosing windows, learning rates or shards; those come with the call and the plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../core/placement.h"
#include "../model/replica.h"
#include "../optim/embedding_rows.h"
#include "../optim/optimizer.h"
#include "control.h"
#include "weight_drop.h"

namespace timernn {

/// The shared memory of a run. Every rank holds an equal copy of this description.
struct RunPlan {
  ModelSpec spec;
  std::vector<std::size_t> offsets;
  float* params;
  std::size_t params_length;
  std::vector<float*> grads;            ///< an arena a shard
  std::vector<float*> states;           ///< a state a shard
  std::vector<std::size_t> shard_rows;  ///< streams of each shard, in stream order
  const std::uint32_t* tokens;
  std::size_t length;
  const std::uint32_t* stream_starts;  ///< one a stream
  std::size_t stream_steps, window;    ///< `window`: the most steps of any
  /// Window w covers steps [edges[w], edges[w + 1]) of every stream; `windows` + 1 numbers. They may change
  /// between rounds.
  const std::uint32_t* edges;
  const double* rates;  ///< the learning rate of each window
  std::size_t windows;
  std::int32_t* control;
  double*
      scratch;  ///< scratch_doubles(): a loss a shard, a square a chunk of rows, a square a chunk of the rest
  /// A list a shard, touched_words() long: zero with the gradients when the run starts.
  std::vector<std::uint32_t*> touched = {};
  float* packed = nullptr;  ///< shared_packed_floats(), for all ranks; null: each packs for itself
  /// A rank, work_floats() long for the largest shard and the shorter of window and stream, for as many ranks
  /// as have shards; empty: no rank helps another.
  std::vector<float*> work = {};
  const Optimizer* optimizer = find_optimizer("sgd");
  OptimizerNumbers numbers = {};
  /// A tensor, in table order: what the learning rate is multiplied by there; empty: 1 everywhere.
  std::vector<double> rate_factors = {};
  std::vector<float*> slots = {};  ///< the optimiser's arenas; behind them the average's, where there is one
  bool averages = false;           ///< whether an average is kept, see average_parameters()
  std::size_t slot_count() const { return optimizer->slot_count() + (averages ? 1 : 0); }
  Regularization regularization = {};
  float* dropped = nullptr;  ///< an arena, where weights drop out
};

struct RoundCall {
  std::size_t rank, workers, from, to;
  double clip;                ///< global norm; 0: no limit
  std::uint64_t done = 0;     ///< windows of the run before `from`
  double clip_value = 0.0;    ///< of each number; 0: no limit
  double average_from = 0.0;  ///< see average_parameters()
  double loss_before = 0.0;   ///< nats of the epoch's windows before `from`
};

struct RoundSeconds {
  double window = 0.0, reduce = 0.0, update = 0.0, wait = 0.0;
};

struct RoundResult {
  std::size_t windows = 0;
  double loss_sum = 0.0;  ///< nats, of these windows
  /// loss_before and these windows, added one by one: the same bits whatever rounds an epoch is made of.
  double loss_total = 0.0;
  std::size_t tokens = 0;
  double gradient_norm = 0.0;
  bool stopped = false;
  RoundSeconds seconds;
};

class Runner {
 public:
  explicit Runner(RunPlan plan);
  static std::size_t scratch_doubles(std::size_t params_length, std::size_t shards);
  /// Words of a shard's list of touched rows.
  static std::size_t touched_words(const ModelSpec& spec, std::size_t rows, std::size_t window);

  /// Floats of a rank's place for what others can help with; 0 where they cannot.
  static std::size_t work_floats(const ModelSpec& spec, std::size_t rows, std::size_t window);

  /// Blocks until the windows are done, the run is cancelled, or a rank fails (throws the cause, or
  /// ERR_TIMERNN_WORKER where another rank had it). ERR_TIMERNN_DIVERGED leaves the parameters as they were
  /// before the window whose gradient was not finite.
  RoundResult run(const RoundCall& call);

 private:
  void check_plan() const;
  void check(const RoundCall& call) const;
  /// Parameters from here on are reduced and updated by chunks; those before, the embedding's, by rows.
  std::size_t dense_first() const { return sparse_ ? plan_.offsets[1] : plan_.offsets[0]; }
  std::size_t dense_length() const { return plan_.params_length - dense_first(); }
  ChunkRange my_chunks(const RoundCall& call) const {
    return chunks_of(dense_length(), call.rank, call.workers);
  }
  double* row_squares() const { return plan_.scratch + plan_.shard_rows.size(); }
  double* dense_squares() const { return row_squares() + kRowChunks; }
  std::size_t steps_of(std::size_t window) const;
  void drop_weights(const RoundCall& call, std::size_t window);
  void pack_weights(const RoundCall& call);
  void compute_shards(const RoundCall& call, std::size_t window, std::size_t steps);
  /// Whether a rank has a shard whose weight gradients it leaves.
  bool leaves(const RoundCall& call, std::size_t rank) const {
    return rank < std::min({call.workers, plan_.shard_rows.size(), plan_.work.size(), Control::kMostSharing});
  }
  void share_weights(const RoundCall& call, std::size_t steps, RoundSeconds& seconds);
  void help(const RoundCall& call, std::size_t rank, std::size_t steps);
  EmbeddingGradients embedding() const;
  void reduce(const RoundCall& call);
  void update(const RoundCall& call, std::size_t window, double norm);
  void update_chunks(const UpdateArgs& args, double average_from, ChunkRange range);
  /// Of the parameters [begin, end) of the arena, each with the learning rate of its tensor.
  void update_range(const UpdateArgs& args, std::size_t begin, std::size_t end) const;
  void run_window(const RoundCall& call, std::size_t window, RoundResult& result);

  RunPlan plan_;
  std::size_t streams_;
  std::vector<std::size_t> first_stream_;  ///< of each shard
  Replica replica_;
  Control control_;
  Placement placement_;
  EmbeddingRows rows_;
  PackedModel packed_;                ///< empty where the ranks do not share the packed weights
  std::vector<TouchedRows> touched_;  ///< a shard
  /// Only rows of the embedding that a window touched are reduced and updated: right for an optimiser that
  /// leaves a parameter without gradient as it is (no decay of any kind), without an average, and an
  /// embedding whose gradient has such rows.
  bool sparse_;
  /// Where the factor of the learning rate changes: up to `end` of the arena, from the end of the one before.
  struct RateRange {
    std::size_t end;
    double factor;
  };
  static std::vector<RateRange> rate_ranges(const RunPlan& plan);
  std::vector<RateRange> rate_ranges_;
  WeightDrop weight_drop_;
  std::vector<float*> dense_;          ///< a shard's gradients from dense_first() on
  std::vector<float*> tables_;         ///< a shard's gradient of the embedding
  std::vector<const float*> tensors_;  ///< parameters in table order
};

}  // namespace timernn
