// The control block: barrier, poison and cancel words in shared memory, used by all ranks of a run, and a
// counter a rank of parts of its work that anybody may take.
// The barrier spins briefly, then sleeps in the kernel; a poisoned block lets everybody out with an error.
// Refuses to do: deciding why a run failed. Each rank's own error carries the cause.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/placement.h"

namespace timernn {

class Control {
 public:
  /// Ranks that can offer parts of their work.
  static constexpr std::size_t kMostSharing = 64;
  /// 32-bit words; those that are waited for each in a cache line of its own, so that a spinning rank does
  /// not disturb the others' writes; then the ranks' cores, and their counters, a cache line each.
  static constexpr std::size_t kWords = 7 * 16 + Placement::kMostRanks + kMostSharing * 16;

  explicit Control(std::int32_t* words) : words_(words) {}

  /// Words for placement.h.
  std::int32_t* cores() const { return words_ + kCores; }

  /// Waits until all `workers` ranks are here. Throws ERR_TIMERNN_WORKER once the block is poisoned.
  void barrier(std::int32_t workers) const;
  /// Offers parts 0, 1, … of a rank's work to all, and what was written before with them. Ranks below
  /// kMostSharing.
  void offer(std::size_t rank) const;
  /// Withdraws the offer; when no rank may be taking.
  void withdraw(std::size_t rank) const;
  bool offers(std::size_t rank) const;
  /// A part below `parts` that nobody else gets, or `parts` where there is none (any more).
  std::size_t take(std::size_t rank, std::size_t parts) const;
  /// How many offers there were, for await_offer(); asked for before offers().
  std::int32_t offer_count() const;
  /// Waits until there is another offer than the first `seen`, the block is poisoned, or some milliseconds
  /// have passed.
  void await_offer(std::int32_t seen, std::int32_t workers) const;

  /// Makes every rank leave its barrier, now and later. From any thread.
  void poison() const;
  bool poisoned() const;
  /// Asks all ranks to stop at the same window edge. From any thread.
  void cancel() const;
  bool cancel_requested() const;
  /// Rank 0's decision for the edge that comes, read by all after the barrier.
  void decide_stop(bool stop) const;
  bool stop_decided() const;
  /// Back to the start of a run; only while no rank is inside.
  void reset() const;

 private:
  enum Word {
    kArrived = 0,
    kGeneration = 16,
    kPoison = 32,
    kCancel = 48,
    kStop = 64,
    kSleepers = 80,
    kOffers = 96,
    kCores = 112,
    kTaken = kCores + Placement::kMostRanks
  };
  /// 0: no offer; else 1 + the parts that were taken (or asked for, once none was left).
  std::int32_t& taken(std::size_t rank) const { return words_[kTaken + rank * 16]; }
  std::int32_t* words_;
};

}  // namespace timernn
