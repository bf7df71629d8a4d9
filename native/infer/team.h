// A few threads that run one piece of work together, again and again, for one caller at a time.
// Between two pieces they spin for a moment, then sleep. Refuses to do: queues, work that throws.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "../core/placement.h"
#include "../core/share.h"

namespace timernn {

class Team {
 public:
  /// @param size  threads with the caller's; 1 makes none
  explicit Team(std::size_t size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return size_; }
  /// Calls work(share) on every thread, the caller's among them, and returns when all are done.
  template <typename Work>
  void run(const Work& work) {
    if (size_ == 1) {
      work(Share{});
      return;
    }
    begin({[](const void* w, const Share& share) { (*static_cast<const Work*>(w))(share); }, &work});
  }

 private:
  struct Job {
    void (*call)(const void* work, const Share& share) = nullptr;
    const void* work = nullptr;
  };
  void begin(const Job& job);
  void serve(std::size_t rank);
  void settle(std::size_t rank) { places_[rank].settle(rank, size_); }
  void meet();
  void end();
  Share share(std::size_t rank);

  std::size_t size_;
  Job job_;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<std::uint32_t> started_{0};
  alignas(64) std::atomic<std::uint32_t> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  std::vector<std::int32_t> cores_;  ///< that the threads were last seen on
  std::vector<Placement> places_;
  std::vector<std::thread> threads_;
};

}  // namespace timernn
