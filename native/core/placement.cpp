// Reads and writes the ranks' cores; see placement.h.
#include "placement.h"

#include <atomic>
#include <cstring>

#if defined(__linux__)
#include <sched.h>
#endif

namespace timernn {

#if defined(__linux__)
namespace {
using Atomic = std::atomic_ref<std::int32_t>;

// A rank that moves more often than this fights the scheduler, which may have its reasons.
constexpr auto kPause = std::chrono::milliseconds(20);

bool taken(std::int32_t* cores, std::size_t ranks, int core) {
  for (std::size_t r = 0; r < ranks; ++r) {
    if (Atomic(cores[r]).load(std::memory_order_relaxed) == core + 1) return true;
  }
  return false;
}
}  // namespace

void Placement::settle(std::size_t rank, std::size_t workers) {
  if (workers < 2 || workers > kMostRanks || rank >= workers) return;
  const int here = sched_getcpu();
  if (here < 0) return;
  Atomic mine(cores_[rank]);
  if (mine.load(std::memory_order_relaxed) != here + 1) mine.store(here + 1, std::memory_order_relaxed);
  if (!taken(cores_, rank, here)) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kPause) return;
  last_ = now;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (static_cast<std::size_t>(CPU_COUNT(&allowed)) < workers) return;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || taken(cores_, workers, core)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return;
    mine.store(core + 1, std::memory_order_relaxed);
    if (sched_setaffinity(0, sizeof allowed, &allowed) != 0) {
      // What is allowed has changed meanwhile: all cores, of which the system takes those that are.
      std::memset(&allowed, 0xff, sizeof allowed);
      sched_setaffinity(0, sizeof allowed, &allowed);
    }
    return;
  }
}
#else
void Placement::settle(std::size_t, std::size_t) {}
#endif

}  // namespace timernn
