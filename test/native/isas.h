// The kernel tables that this CPU can run.
#pragma once

#include <vector>

#include "check.h"
#include "math/kernels.h"

namespace timernn::test {

inline std::vector<const Kernels*> runnable_isas() {
  std::vector<const Kernels*> tables;
  for (const char* isa : {"generic", "avx2", "avx512", "neon"}) {
    if (const Kernels* table = kernels_for(isa)) tables.push_back(table);
  }
  return tables;
}

/// Lengths around the vector lengths 4, 8 and 16, their doubles, and the kernels' inner blocks.
inline const std::vector<std::size_t>& odd_lengths() {
  static const std::vector<std::size_t> lengths = {0,  1,  2,  3,  4,  5,  7,  8,   9,   15,   16,
                                                   17, 31, 32, 33, 63, 64, 65, 255, 257, 1000, 4099};
  return lengths;
}

}  // namespace timernn::test
