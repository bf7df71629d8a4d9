// The control block: barrier, poison and cancel words in shared memory, used by all ranks of a run.
// The barrier spins briefly, then sleeps in the kernel; a poisoned block lets everybody out with an error.
// Refuses to do: deciding why a run failed. Each rank's own error carries the cause.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/placement.h"

namespace timernn {

class Control {
 public:
  /// 32-bit words; those of the barrier each in a cache line of its own, so that a spinning rank does not
  /// disturb the others' writes; then the ranks' cores.
  static constexpr std::size_t kWords = 6 * 16 + Placement::kMostRanks;

  explicit Control(std::int32_t* words) : words_(words) {}

  /// Words for placement.h.
  std::int32_t* cores() const { return words_ + kCores; }

  /// Waits until all `workers` ranks are here. Throws ERR_TIMERNN_WORKER once the block is poisoned.
  void barrier(std::int32_t workers) const;
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
    kCores = 96
  };
  std::int32_t* words_;
};

}  // namespace timernn
