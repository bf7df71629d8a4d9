// Spin, then sleep; see control.h.
#include "control.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "../core/error.h"
#include "../core/relax.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#endif

namespace timernn {

namespace {
using Atomic = std::atomic_ref<std::int32_t>;

// Sleeps while *word == seen, at most 50 ms: a wake that was missed for any reason costs that much and no
// more.
void sleep_on(std::int32_t* word, std::int32_t seen) {
#if defined(__linux__)
  const timespec limit{0, 50'000'000};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &limit, nullptr, 0);
#else
  if (Atomic(*word).load() == seen) std::this_thread::sleep_for(std::chrono::microseconds(50));
#endif
}

void wake_all(std::int32_t* word) {
#if defined(__linux__)
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  (void)word;
#endif
}

// Spins for this long before it sleeps. A core that falls asleep has to be woken, and a virtual one to be
// given back: what follows a sleep runs slower than the sleep was long.
constexpr auto kSpin = std::chrono::milliseconds(4);

// Returns early once the word is another.
void spin(std::int32_t* word, std::int32_t seen, std::int32_t workers) {
  // With more ranks than cores, spinning only keeps the late ones from running.
  const bool crowded = static_cast<unsigned>(workers) > std::thread::hardware_concurrency();
  const auto end = std::chrono::steady_clock::now() + (crowded ? std::chrono::milliseconds(0) : kSpin);
  do {
    for (int i = 0; i < 64; ++i) {
      if (Atomic(*word).load(std::memory_order_acquire) != seen) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
}
}  // namespace

void Control::barrier(std::int32_t workers) const {
  Atomic generation(words_[kGeneration]), arrived(words_[kArrived]), sleepers(words_[kSleepers]);
  const std::int32_t seen = generation.load();
  if (!poisoned()) {
    if (arrived.fetch_add(1) + 1 == workers) {
      arrived.store(0);
      generation.store(seen + 1);
      if (sleepers.load() > 0) wake_all(&words_[kGeneration]);
      return;
    }
    spin(&words_[kGeneration], seen, workers);
    while (generation.load() == seen && !poisoned()) {
      sleepers.fetch_add(1);
      sleep_on(&words_[kGeneration], seen);
      sleepers.fetch_sub(1);
    }
  }
  if (poisoned()) throw Error("ERR_TIMERNN_WORKER", "Stopped because another worker of this run failed");
}

void Control::offer(std::size_t rank) const {
  Atomic(taken(rank)).store(1);
  Atomic(words_[kOffers]).fetch_add(1);
  if (Atomic(words_[kSleepers]).load() > 0) wake_all(&words_[kOffers]);
}

void Control::withdraw(std::size_t rank) const {
  Atomic(taken(rank)).store(0);
}

bool Control::offers(std::size_t rank) const {
  return Atomic(taken(rank)).load(std::memory_order_acquire) > 0;
}

// Looks first: once nothing is left the counter stays, so that it cannot run over.
std::size_t Control::take(std::size_t rank, std::size_t parts) const {
  const std::int32_t seen = Atomic(taken(rank)).load(std::memory_order_acquire);
  if (seen < 1 || static_cast<std::size_t>(seen) > parts) return parts;
  const std::int32_t mine = Atomic(taken(rank)).fetch_add(1, std::memory_order_acq_rel);
  return mine < 1 ? parts : std::min(parts, static_cast<std::size_t>(mine) - 1);
}

std::int32_t Control::offer_count() const {
  return Atomic(words_[kOffers]).load(std::memory_order_acquire);
}

void Control::await_offer(std::int32_t seen, std::int32_t workers) const {
  Atomic sleepers(words_[kSleepers]);
  spin(&words_[kOffers], seen, workers);
  if (offer_count() != seen) return;
  sleepers.fetch_add(1);
  sleep_on(&words_[kOffers], seen);
  sleepers.fetch_sub(1);
}

void Control::poison() const {
  Atomic(words_[kPoison]).store(1);
  // What is slept on moves too, so that a rank about to sleep does not.
  for (const Word word : {kGeneration, kOffers}) {
    Atomic(words_[word]).fetch_add(1);
    wake_all(&words_[word]);
  }
}

bool Control::poisoned() const {
  return Atomic(words_[kPoison]).load() != 0;
}
void Control::cancel() const {
  Atomic(words_[kCancel]).store(1);
}
bool Control::cancel_requested() const {
  return Atomic(words_[kCancel]).load() != 0;
}
void Control::decide_stop(bool stop) const {
  Atomic(words_[kStop]).store(stop ? 1 : 0);
}
bool Control::stop_decided() const {
  return Atomic(words_[kStop]).load() != 0;
}

void Control::reset() const {
  for (std::size_t i = 0; i < kWords; ++i) Atomic(words_[i]).store(0);
}

}  // namespace timernn
