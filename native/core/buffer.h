// A float array that is aligned to cache lines and set to zero when it is made; used for every workspace.
// Refuses to do: growing. A replica knows its sizes when it is built, so nothing is allocated in a step.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "pages.h"

namespace timernn {

inline constexpr std::size_t kAlignment = 64;

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t floats) : size_(floats) {
    if (floats == 0) return;
    const bool large = floats >= kLargeMemory / sizeof(float);
    const std::size_t alignment = large ? kLargePage : kAlignment;
    if (floats > (static_cast<std::size_t>(-1) - alignment) / sizeof(float)) throw std::bad_alloc();
    const std::size_t bytes = (floats * sizeof(float) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    if (large) prefer_large_pages(memory, bytes);
    std::memset(memory, 0, floats * sizeof(float));
    data_.reset(static_cast<float*>(memory));
  }
  float* data() noexcept { return data_.get(); }
  const float* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(float* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace timernn
