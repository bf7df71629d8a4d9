// Embedding: rows of a V×D matrix picked by token. Refuses to do: negative or out-of-range tokens
// (ERR_TIMERNN_TOKEN).
#pragma once

#include <cstddef>
#include <cstdint>

namespace timernn {

struct EmbeddingDims {
  std::size_t V, D;
};

/// out (one row of D) = W[id].
void embedding_row(float* out, const float* W, std::int64_t id, const EmbeddingDims& dims);
/// dW[id] += dout (one row of D). dW must have been cleared at the start of the window.
void embedding_row_backward(float* dW, const float* dout, std::int64_t id, const EmbeddingDims& dims);

}  // namespace timernn
