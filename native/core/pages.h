// Large memory in large pages: rows far apart then need few address translations. A hint only; where the
// system has none to give, nothing changes.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace timernn {

/// What a large page holds on the systems that we know, and the size from which it is worth asking.
inline constexpr std::size_t kLargePage = std::size_t{2} << 20, kLargeMemory = std::size_t{1} << 20;

/// Asks for large pages in [memory, memory + bytes); before it is written to, since pages in use stay as they
/// are.
inline void prefer_large_pages(void* memory, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / kPage * kPage;
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

}  // namespace timernn
