// Gather and scatter-add of embedding rows; see embedding.h.
#include "embedding.h"

#include <cstring>
#include <string>

#include "../core/error.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
std::size_t checked(std::int64_t id, std::size_t V) {
  if (id < 0 || static_cast<std::size_t>(id) >= V) {
    throw Error("ERR_TIMERNN_TOKEN", "Expected tokens below the vocabulary size " + std::to_string(V) +
                                         ", got " + std::to_string(id));
  }
  return static_cast<std::size_t>(id);
}
}  // namespace

void embedding_row(float* out, const float* W, std::int64_t id, const EmbeddingDims& dims) {
  std::memcpy(out, W + checked(id, dims.V) * dims.D, dims.D * sizeof(float));
}

void embedding_row_backward(float* dW, const float* dout, std::int64_t id, const EmbeddingDims& dims) {
  kernels().add(dW + checked(id, dims.V) * dims.D, dout, dims.D);
}

}  // namespace timernn
