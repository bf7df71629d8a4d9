// The barrier: order is proven by plain memory that only the barrier protects (ThreadSanitizer sees a gap in
// it).
#include "train/control.h"

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace timernn::test {
namespace {

struct Block {
  alignas(64) std::int32_t words[Control::kWords] = {};
  Control control{words};
};

void in_threads(std::size_t count, const std::function<void(std::size_t)>& body) {
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < count; ++r) threads.emplace_back(body, r);
  for (std::thread& t : threads) t.join();
}

void check_order(std::size_t workers, int generations) {
  Block block;
  std::vector<int> slots(workers * 16, -1);  // plain memory, a cache line each
  int total = 0;                             // plain too: written by one rank a generation
  in_threads(workers, [&](std::size_t rank) {
    for (int g = 0; g < generations; ++g) {
      slots[rank * 16] = g;
      block.control.barrier(static_cast<std::int32_t>(workers));
      int sum = 0;
      for (std::size_t other = 0; other < workers; ++other) sum += slots[other * 16];
      CHECK_EQ(sum, g * static_cast<int>(workers));
      if (static_cast<std::size_t>(g) % workers == rank) ++total;
      block.control.barrier(static_cast<std::int32_t>(workers));
      CHECK_EQ(total, g + 1);
      block.control.barrier(static_cast<std::int32_t>(workers));
    }
  });
}

TEST("nobody passes before all are there, over many generations") {
  check_order(1, 1000);
  check_order(2, 5000);
  check_order(3, 1000);
}

TEST("the same with many more ranks than cores") {
  check_order(8, 300);
  check_order(17, 100);
}

// Where control.cpp counts the ranks asleep in the kernel. Knowing this lets the test wait for sleepers
// without sleeping.
constexpr std::size_t kSleepersWord = 80;

// A thread that poisons the block when that many ranks sleep.
std::thread poisons_once_asleep(Block& block, std::int32_t ranks) {
  return std::thread([&block, ranks] {
    std::atomic_ref<std::int32_t> sleepers(block.words[kSleepersWord]);
    while (sleepers.load() < ranks) std::this_thread::yield();
    block.control.poison();
  });
}

TEST("poison lets out those who sleep, and all who come later") {
  for (int round = 0; round < 20; ++round) {
    Block block;
    std::atomic<int> refused{0};
    std::thread killer = poisons_once_asleep(block, 3);
    in_threads(3, [&](std::size_t) {
      refused += thrown_code([&] { block.control.barrier(4); }) == "ERR_TIMERNN_WORKER" ? 1 : 0;
      refused += thrown_code([&] { block.control.barrier(4); }) == "ERR_TIMERNN_WORKER" ? 1 : 0;
    });
    killer.join();
    CHECK_EQ(refused.load(), 6);
    CHECK_CODE(block.control.barrier(4), "ERR_TIMERNN_WORKER");
    CHECK_CODE(block.control.barrier(1), "ERR_TIMERNN_WORKER");
  }
}

TEST("poison at any moment: everybody leaves, whatever they were doing") {
  for (int round = 0; round < 200; ++round) {
    Block block;
    std::atomic<int> out{0};
    std::atomic<bool> running{false};
    std::thread killer([&] {
      while (!running.load()) std::this_thread::yield();
      block.control.poison();
    });
    in_threads(3, [&](std::size_t) {
      // Ranks go round and round until the poison reaches them.
      const std::string code = thrown_code([&] {
        for (;;) {
          running.store(true);
          block.control.barrier(3);
        }
      });
      out += code == "ERR_TIMERNN_WORKER" ? 1 : 0;
    });
    killer.join();
    CHECK_EQ(out.load(), 3);
    CHECK(block.control.poisoned());
  }
}

TEST("an offer: every part goes to one rank, none before the offer, none after it is withdrawn") {
  constexpr std::size_t kParts = 500;
  Block block;
  const Control& c = block.control;
  CHECK_EQ(c.take(1, kParts), kParts);
  CHECK(!c.offers(1));
  std::vector<int> written(kParts, -1),
      made(kParts);  // plain memory: what was written before comes with the offer
  in_threads(4, [&](std::size_t rank) {
    if (rank == 1) {
      for (std::size_t i = 0; i < kParts; ++i) written[i] = static_cast<int>(i);
      c.offer(1);
    }
    for (std::int32_t seen = c.offer_count(); !c.offers(1); seen = c.offer_count()) c.await_offer(seen, 4);
    for (std::size_t part = c.take(1, kParts); part < kParts; part = c.take(1, kParts)) {
      made[part] += 1 + written[part];
    }
    c.barrier(4);
  });
  for (std::size_t i = 0; i < kParts; ++i) CHECK_EQ(made[i], 1 + static_cast<int>(i));
  CHECK(c.offers(1) && !c.offers(0));
  CHECK_EQ(c.take(1, kParts), kParts);
  c.withdraw(1);
  CHECK(!c.offers(1));
  // More parts than last time, and nothing is left of the old count.
  CHECK_EQ(c.take(1, 2 * kParts), 2 * kParts);
  c.offer(1);
  CHECK_EQ(c.take(1, 2 * kParts), std::size_t{0});
}

TEST("who waits for offers sees every one of them, whoever makes it") {
  constexpr std::size_t kRanks = 6;
  Block block;
  const Control& c = block.control;
  std::atomic<std::size_t> seen_by_all{0};
  in_threads(kRanks, [&](std::size_t rank) {
    // Rank r offers once all have seen the offers of those below it: nobody may wait for the last one alone.
    std::size_t found = 0;
    while (found < kRanks) {
      const std::int32_t seen = c.offer_count();
      if (found == rank && !c.offers(rank) && seen_by_all.load() == rank * kRanks) c.offer(rank);
      if (c.offers(found)) {
        ++found;
        ++seen_by_all;
      } else if (found != rank) {
        c.await_offer(seen, kRanks);
      }
    }
  });
  CHECK_EQ(seen_by_all.load(), kRanks * kRanks);
}

TEST("who waits for an offer is let go by poison, however often it waits") {
  for (int round = 0; round < 20; ++round) {
    Block block;
    std::atomic<int> left{0};
    std::thread killer = poisons_once_asleep(block, 2);
    in_threads(2, [&](std::size_t) {
      while (!block.control.poisoned()) block.control.await_offer(block.control.offer_count(), 2);
      ++left;
    });
    killer.join();
    CHECK_EQ(left.load(), 2);
    CHECK(!block.control.offers(0) && !block.control.offers(1));
  }
}

TEST("cancel and decision are words of their own; reset clears all") {
  Block block;
  const Control& c = block.control;
  CHECK(!c.cancel_requested() && !c.stop_decided() && !c.poisoned());
  c.cancel();
  CHECK(c.cancel_requested() && !c.stop_decided() && !c.poisoned());
  c.decide_stop(true);
  CHECK(c.stop_decided());
  c.decide_stop(false);
  CHECK(c.cancel_requested() && !c.stop_decided());
  c.poison();
  CHECK(c.poisoned());
  c.decide_stop(true);
  c.reset();
  CHECK(!c.cancel_requested() && !c.stop_decided() && !c.poisoned());
  std::atomic<int> passed{0};
  in_threads(4, [&](std::size_t) {
    c.barrier(4);
    ++passed;
  });
  CHECK_EQ(passed.load(), 4);
}

TEST("a reset block works again after ranks were left waiting in it") {
  Block block;
  for (int round = 0; round < 20; ++round) {
    std::thread waiting([&] { CHECK_CODE(block.control.barrier(2), "ERR_TIMERNN_WORKER"); });
    block.control.poison();
    waiting.join();
    block.control.reset();
    std::atomic<int> passed{0};
    in_threads(2, [&](std::size_t) {
      block.control.barrier(2);
      ++passed;
    });
    CHECK_EQ(passed.load(), 2);
  }
}

}  // namespace
}  // namespace timernn::test
