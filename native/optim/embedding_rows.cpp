// Row by row over the shards' lists; see embedding_rows.h.
#include "embedding_rows.h"

#include <algorithm>

#include "../math/kernels.h"

namespace timernn {

void EmbeddingRows::reduce(double* squares, const EmbeddingGradients& g, std::size_t rank,
                           std::size_t workers) {
  const std::size_t per_chunk = (g.V + kRowChunks - 1) / kRowChunks;
  const std::size_t first = kRowChunks * rank / workers, last = kRowChunks * (rank + 1) / workers;
  begin_ = std::min(g.V, first * per_chunk);
  end_ = std::min(g.V, last * per_chunk);
  if (++call_ == 0) {  // after 2^32 windows the marks would lie
    std::fill(seen_.begin(), seen_.end(), 0u);
    call_ = 1;
  }
  for (std::size_t s = 0; s < g.shards; ++s) {
    for (const std::uint32_t row : g.touched[s]) {
      if (row < begin_ || row >= end_) continue;
      if (seen_[row] != call_) {
        seen_[row] = call_;
        owner_[row] = static_cast<std::uint32_t>(s);
      } else {
        kernels().add(g.tables[owner_[row]] + row * g.D, g.tables[s] + row * g.D, g.D);
      }
    }
  }
  std::fill(squares + first, squares + last, 0.0);
  for (std::size_t s = 0; s < g.shards; ++s) {
    for (const std::uint32_t row : g.touched[s]) {
      if (row < begin_ || row >= end_ || owner_[row] != s) continue;
      float* sum = g.tables[s] + row * g.D;
      squares[row / per_chunk] += kernels().sum_and_square(sum, &sum, 1, g.D);
    }
  }
}

void EmbeddingRows::update(const Optimizer& optimizer, float* params, const EmbeddingGradients& g,
                           UpdateArgs args) const {
  args.n = g.D;
  for (std::size_t s = 0; s < g.shards; ++s) {
    for (const std::uint32_t row : g.touched[s]) {
      if (row < begin_ || row >= end_ || owner_[row] != s) continue;
      args.params = params + row * g.D;
      args.grads = g.tables[s] + row * g.D;
      optimizer.update(args);
    }
  }
}

}  // namespace timernn
