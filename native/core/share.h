// One thread's share of work that several do together: all run the same code, each does its own part, and
// they meet where one needs what another made. Alone, it is everything, and there is nobody to wait for.
#pragma once

#include <cstddef>

namespace timernn {

struct Share {
  std::size_t rank = 0, size = 1;
  void (*wait)(void* context) = nullptr;  ///< until all have come here
  void* context = nullptr;

  void sync() const {
    if (size > 1) wait(context);
  }
  /// My part of n things, as [begin, end).
  std::size_t begin(std::size_t n) const { return n * rank / size; }
  std::size_t end(std::size_t n) const { return n * (rank + 1) / size; }
};

}  // namespace timernn
