// Fixed-order reduction of the shards' gradients, in chunks whose number depends on the parameter count
// alone, so that any number of workers adds the same numbers in the same order.
#pragma once

#include <cstddef>
#include <vector>

namespace timernn {

inline constexpr std::size_t kReduceChunk = 8192;  ///< floats; 32 KB, fits L1 beside one shard's part

inline std::size_t reduce_chunks(std::size_t params) {
  return (params + kReduceChunk - 1) / kReduceChunk;
}

/// Half-open range of chunks that belongs to rank r of W.
struct ChunkRange {
  std::size_t begin, end;
};
inline ChunkRange chunks_of(std::size_t params, std::size_t rank, std::size_t workers) {
  const std::size_t chunks = reduce_chunks(params);
  return {chunks * rank / workers, chunks * (rank + 1) / workers};
}

/// For each chunk c of the range: grads[0] = Σ_s grads[s] in order of s; squares[c] = Σ of the squares of the
/// sum.
void reduce_gradients(double* squares, float* const* grads, std::size_t shards, std::size_t params,
                      ChunkRange range);

/// Σ squares over all chunks in order, then the root: the global norm.
double global_norm(const double* squares, std::size_t chunks);

}  // namespace timernn
