// Spinning barriers; see team.h.
#include "team.h"

#include "../core/relax.h"

namespace timernn {

namespace {
// Turns before a thread without work sleeps (some tens of microseconds: the next token usually comes sooner),
// and before one at a barrier lets others onto its core.
constexpr int kIdleTurns = 2000, kBarrierTurns = 4000;
}  // namespace

Team::Team(std::size_t size)
    : size_(size), cores_(Placement::kMostRanks), places_(size, Placement(cores_.data())) {
  threads_.reserve(size - 1);
  try {
    for (std::size_t rank = 1; rank < size; ++rank) threads_.emplace_back([this, rank] { serve(rank); });
  } catch (...) {
    // Those that there are must end before their vector does.
    end();
    throw;
  }
}

Team::~Team() {
  end();
}

void Team::end() {
  stop_.store(true);
  started_.fetch_add(1);
  started_.notify_all();
  for (std::thread& t : threads_) t.join();
}

Share Team::share(std::size_t rank) {
  return {rank, size_, [](void* team) { static_cast<Team*>(team)->meet(); }, this};
}

void Team::meet() {
  const std::uint32_t seen = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1) + 1 == size_) {
    arrived_.store(0);
    generation_.store(seen + 1, std::memory_order_release);
    return;
  }
  for (int turn = 0; generation_.load(std::memory_order_acquire) == seen; ++turn) {
    turn < kBarrierTurns ? relax() : std::this_thread::yield();
  }
}

void Team::begin(const Job& job) {
  job_ = job;
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_all();
  settle(0);
  job.call(job.work, share(0));
  meet();
}

void Team::serve(std::size_t rank) {
  for (std::uint32_t seen = 0;; ++seen) {
    for (int turn = 0; started_.load(std::memory_order_acquire) == seen; ++turn) {
      turn < kIdleTurns ? relax() : started_.wait(seen);
    }
    if (stop_.load()) return;
    settle(rank);
    job_.call(job_.work, share(rank));
    meet();
  }
}

}  // namespace timernn
