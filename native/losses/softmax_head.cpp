// Blocks of rows through product, softmax and the gradient products; see softmax_head.h.
#include "softmax_head.h"

#include <algorithm>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
// BLAS packs W at every call, so its blocks are large (8 MB). Ours are packed once a window: 3 MB of logits
// leave L3 to the weights, and give the gradient of W a sum long enough to pay for loading and storing it.
std::size_t choose_rows(const HeadDims& d, bool packed) {
  if (!packed)
    return std::min(d.M, std::max<std::size_t>(64, (std::size_t{8} << 20) / (d.V * sizeof(float))));
  const std::size_t tile = kernels().tile, fit = (std::size_t{3} << 20) / (d.V * sizeof(float)) / tile * tile;
  return std::min(d.M, std::clamp(fit, 2 * tile, 24 * tile));
}
// Rows of Wᵀ multiplied at a time, so that they serve all tiles of the block from L1.
constexpr std::size_t kTurnedPanels = 8;
}  // namespace

SoftmaxHead::SoftmaxHead(const HeadDims& most, bool trainable)
    : dims_(most), packed_path_(gemm_path() == GemmPath::packed && most.M > 1) {
  rows_ = choose_rows(most, packed_path_);
  logits_ = Buffer(rows_ * packed_floats(1, most.V));
  if (!packed_path_) return;
  const std::size_t panel = kernels().panel;
  weights_ = Buffer(packed_floats(most.H + 1, most.V));
  if (trainable) weights_turned_ = Buffer(packed_floats(most.V, most.H));
  ones_ = Buffer(rows_ * (most.H + 1));
  if (trainable) tiles_ = Buffer(rows_ * (most.H + kernels().tile));
  inverse_ = Buffer(rows_);
  scratch_ = Buffer(2 * rows_ * panel);
}

std::size_t SoftmaxHead::workspace_floats() const {
  return logits_.size() + weights_.size() + weights_turned_.size() + ones_.size() + tiles_.size() +
         inverse_.size() + scratch_.size();
}

double SoftmaxHead::forward(const HeadInput& in) {
  return packed_path_ ? packed(in, nullptr) : blas(in, nullptr);
}

double SoftmaxHead::forward_backward(const HeadInput& in, const HeadGrads& grads) {
  return packed_path_ ? packed(in, &grads) : blas(in, &grads);
}

double SoftmaxHead::blas(const HeadInput& in, const HeadGrads* g) {
  const std::size_t H = dims_.H, V = dims_.V;
  const int v = static_cast<int>(V), h = static_cast<int>(H);
  double loss = 0.0;
  for (std::size_t first = 0; first < in.M; first += rows_) {
    const std::size_t count = std::min(rows_, in.M - first);
    const int m = static_cast<int>(count);
    const float* hs = in.hs + first * H;
    float* z = logits_.data();
    gemm({z, hs, in.W, m, v, h});
    for (std::size_t r = 0; r < count; ++r) {
      loss += static_cast<double>(kernels().softmax_cross_entropy(
          z + r * V, in.b, V, in.targets[first + r], g == nullptr ? 0.0f : g->scale, g != nullptr));
    }
    if (g == nullptr) continue;
    gemm({g->dW, hs, z, h, v, m, true, false, first == 0 ? 0.0f : 1.0f});
    kernels().column_sums(g->db, z, count, V, first != 0);
    gemm({g->dhs + first * H, z, in.W, m, h, v, false, true});
  }
  return loss;
}

void SoftmaxHead::pack_weights(const HeadInput& in, bool gradient) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  pack({weights_.data(), in.W, H, V, V, false, H + 1});
  float* row = weights_.data() + H * panel;
  for (std::size_t v = 0; v < V; v += panel, row += (H + 1) * panel) {
    const std::size_t width = std::min(panel, V - v);
    std::memcpy(row, in.b + v, width * sizeof(float));
    std::memset(row + width, 0, (panel - width) * sizeof(float));
  }
  if (gradient) pack({weights_turned_.data(), in.W, V, H, V, true});
}

double SoftmaxHead::packed_logits(const HeadInput& in, std::size_t first, std::size_t rows, bool gradient) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel, lda = H + 1;
  for (std::size_t r = 0; r < rows; ++r) {
    std::memcpy(ones_.data() + r * lda, in.hs + (first + r) * H, H * sizeof(float));
    ones_.data()[r * lda + H] = 1.0f;
  }
  for (std::size_t v = 0; v < V; v += panel) {
    // Whole panels are stored, the padded columns too: the softmax skips them.
    kernels().gemm_panel({logits_.data() + v * rows, panel, ones_.data(), lda, 1, 0,
                          weights_.data() + v * lda, rows, panel, lda, false, false});
  }
  return kernels().softmax_panels(
      {logits_.data(), rows, V, in.targets + first, inverse_.data(), scratch_.data(), gradient});
}

// tiles_ = h · inverse, tile after tile: the gradient of W reads them in order, out of L1.
void SoftmaxHead::scale_tiles(std::size_t rows, std::size_t height) {
  const std::size_t H = dims_.H, lda = H + 1;
  float* out = tiles_.data();
  for (std::size_t h0 = 0; h0 < H; h0 += height, out += rows * height) {
    const std::size_t width = std::min(height, H - h0);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* in = ones_.data() + r * lda + h0;
      for (std::size_t i = 0; i < width; ++i) out[r * height + i] = in[i] * inverse_.data()[r];
    }
  }
}

void SoftmaxHead::weight_gradients(const HeadGrads& g, std::size_t rows, bool more) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  const std::size_t tiles = (H + kernels().tile - 1) / kernels().tile, height = (H + tiles - 1) / tiles;
  scale_tiles(rows, height);
  for (std::size_t v = 0; v < V; v += panel) {
    const float* e = logits_.data() + v * rows;
    const std::size_t width = std::min(panel, V - v);
    for (std::size_t h = 0; h < H; h += height) {
      kernels().gemm_panel({g.dW + h * V + v, V, tiles_.data() + h * rows, 1, height, 0, e,
                            std::min(height, H - h), width, rows, more, false});
    }
    kernels().gemm_panel({g.db + v, V, inverse_.data(), 1, 1, 0, e, 1, width, rows, more, false});
  }
}

void SoftmaxHead::packed_gradients(const HeadGrads& g, std::size_t first, std::size_t rows) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  for (std::size_t r = 0; r < rows; ++r) inverse_.data()[r] *= g.scale;
  weight_gradients(g, rows, first != 0);
  float* dhs = g.dhs + first * H;
  for (std::size_t v = 0; v < V; v += kTurnedPanels * panel) {
    const std::size_t k = std::min(kTurnedPanels * panel, V - v);
    for (std::size_t h = 0; h < H; h += panel) {
      kernels().gemm_panel({dhs + h, H, logits_.data() + v * rows, panel, 1, rows * panel,
                            weights_turned_.data() + h * V + v * panel, rows, std::min(panel, H - h), k,
                            v != 0, false});
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t h = 0; h < H; ++h) dhs[r * H + h] *= inverse_.data()[r];
  }
}

double SoftmaxHead::packed(const HeadInput& in, const HeadGrads* grads) {
  pack_weights(in, grads != nullptr);
  double loss = 0.0;
  for (std::size_t first = 0; first < in.M; first += rows_) {
    const std::size_t rows = std::min(rows_, in.M - first);
    loss += packed_logits(in, first, rows, grads != nullptr);
    if (grads != nullptr) packed_gradients(*grads, first, rows);
  }
  return loss;
}

}  // namespace timernn
