// Chunk by chunk over the shards; see reduce.h.
#include "reduce.h"

#include <algorithm>
#include <cmath>

#include "../math/kernels.h"

namespace timernn {

void reduce_gradients(double* squares, float* const* grads, std::size_t shards, std::size_t params,
                      ChunkRange range) {
  constexpr std::size_t kMost = 64;  // pointers on the stack; more shards go in further passes
  for (std::size_t c = range.begin; c < range.end; ++c) {
    const std::size_t first = c * kReduceChunk, n = std::min(kReduceChunk, params - first);
    const float* parts[kMost];
    std::size_t done = 0;
    do {
      std::size_t count = 0;
      if (done > 0) parts[count++] = grads[0] + first;
      while (count < kMost && done < shards) parts[count++] = grads[done++] + first;
      squares[c] = kernels().sum_and_square(grads[0] + first, parts, count, n);
    } while (done < shards);
  }
}

double global_norm(const double* squares, std::size_t chunks) {
  double total = 0.0;
  for (std::size_t c = 0; c < chunks; ++c) total += squares[c];
  return std::sqrt(total);
}

}  // namespace timernn
