// Keeps the ranks of a run on different cores. The system's scheduler may leave two of them on one core for
// milliseconds while another is idle, and ranks in lockstep then run at half speed. A rank that finds a lower
// one on its core moves to a core that no rank uses; afterwards it may run anywhere again.
// Refuses to do: pinning. Other programs and other runs share the machine. Does nothing but on Linux.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace timernn {

class Placement {
 public:
  static constexpr std::size_t kMostRanks = 64;

  /// @param cores  kMostRanks words that all ranks share: 1 + the core a rank was last seen on
  explicit Placement(std::int32_t* cores) : cores_(cores) {}

  /// Called by a rank between two windows.
  void settle(std::size_t rank, std::size_t workers);

 private:
  std::int32_t* cores_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace timernn
