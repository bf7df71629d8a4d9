// Large memory in large pages: rows far apart then need few address translations. A hint only; where the
// system has none to give, nothing changes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace timernn {

/// What a large page holds on the systems that we know, and the size from which it is worth asking.
inline constexpr std::size_t kLargePage = std::size_t{2} << 20, kLargeMemory = std::size_t{1} << 20;

/// Asks for large pages in [memory, memory + bytes); before it is written to, since pages in use stay as they
/// are.
inline void prefer_large_pages(void* memory, std::size_t bytes) {
#if defined(MADV_HUGEPAGE)
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / page * page;
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

/// A mapping of its own that starts on a large page, all zero. Throws std::bad_alloc.
class LargeMemory {
 public:
  LargeMemory() = default;
  explicit LargeMemory(std::size_t bytes) : length_(bytes + kLargePage) {
    void* base = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = base;
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    data_ = reinterpret_cast<void*>((address + kLargePage - 1) / kLargePage * kLargePage);
    prefer_large_pages(data_, bytes);
  }
  LargeMemory(LargeMemory&& other) noexcept { *this = std::move(other); }
  LargeMemory& operator=(LargeMemory&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(data_, other.data_);
    std::swap(length_, other.length_);
    return *this;
  }
  ~LargeMemory() {
    if (base_ != nullptr) munmap(base_, length_);
  }
  void* data() const noexcept { return data_; }

 private:
  void *base_ = nullptr, *data_ = nullptr;
  std::size_t length_ = 0;
};

}  // namespace timernn
