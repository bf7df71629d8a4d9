// A float array that is aligned to cache lines and set to zero when it is made; used for every workspace.
// Refuses to do: growing. A replica knows its sizes when it is built, so nothing is allocated in a step.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "pages.h"

namespace timernn {

inline constexpr std::size_t kAlignment = 64;

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t floats) : size_(floats) {
    if (floats == 0) return;
    if (floats > (static_cast<std::size_t>(-1) >> 1) / sizeof(float)) throw std::bad_alloc();
    const std::size_t bytes = (floats * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    if (bytes >= kLargeMemory) {
      // Its own mapping: what is freed goes back to the system, and cannot break up the heap.
      large_ = LargeMemory(bytes);
      data_ = static_cast<float*>(large_.data());
      return;
    }
    void* memory = std::aligned_alloc(kAlignment, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, bytes);
    small_.reset(static_cast<float*>(memory));
    data_ = small_.get();
  }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    small_ = std::move(other.small_);
    large_ = std::move(other.large_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  float* data() noexcept { return data_; }
  const float* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(float* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<float[], Free> small_;
  LargeMemory large_;
  float* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace timernn
