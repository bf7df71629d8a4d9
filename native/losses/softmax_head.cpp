// Blocks of rows through product, softmax and the gradient products; see softmax_head.h.
#include "softmax_head.h"

#include <algorithm>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
// BLAS packs W at every call, so its blocks are large (8 MB). Ours are packed once a window: up to 7 MB of
// logits leave L3 to the weights, and give the gradient of W a sum long enough to pay for loading and storing
// it.
std::size_t choose_rows(const HeadDims& d, bool packed) {
  if (!packed)
    return std::min(d.M, std::max<std::size_t>(64, (std::size_t{8} << 20) / (d.V * sizeof(float))));
  const std::size_t tile = kernels().tile, fit = (std::size_t{7} << 20) / (d.V * sizeof(float)) / tile * tile;
  return std::min(d.M, std::clamp(fit, 2 * tile, 24 * tile));
}
// Rows of Wᵀ multiplied at a time, so that they serve all tiles of the block from L1.
constexpr std::size_t kTurnedPanels = 8;

// Height of even tiles that cover n.
std::size_t tile_height(std::size_t n) {
  const std::size_t tile = kernels().tile, tiles = (n + tile - 1) / tile;
  return (n + tiles - 1) / tiles;
}
}  // namespace

std::size_t packed_head_floats(std::size_t H, std::size_t V, bool turned) {
  return packed_floats(H + 1, V) + (turned ? packed_floats(V, H) : 0);
}

void pack_head(float* out, const HeadWeights& w, bool turned, std::size_t part, std::size_t parts) {
  const std::size_t panel = kernels().panel, panels = (w.V + panel - 1) / panel, rows = w.H + 1;
  const std::size_t begin = panels * part / parts * panel;
  const std::size_t end = std::min(w.V, panels * (part + 1) / parts * panel);
  if (begin >= end) return;
  pack({out + begin * rows, w.W + begin, w.H, end - begin, w.V, false, rows});
  for (std::size_t v = begin; v < end; v += panel) {
    const std::size_t width = std::min(panel, end - v);
    float* bias = out + v * rows + w.H * panel;
    std::memcpy(bias, w.b + v, width * sizeof(float));
    std::memset(bias + width, 0, (panel - width) * sizeof(float));
  }
  if (!turned) return;
  float* out_turned = out + packed_floats(rows, w.V);
  for (std::size_t h = 0; h < w.H; h += panel) {
    kernels().pack_turned(out_turned + h * w.V + begin * panel, w.W + h * w.V + begin, w.V, end - begin,
                          std::min(panel, w.H - h));
  }
}

SoftmaxHead::SoftmaxHead(const HeadDims& most, bool trainable, const float* packed)
    : dims_(most), rows_(choose_rows(most, packed != nullptr)), weights_(packed) {
  logits_ = Buffer(rows_ * packed_floats(1, most.V));
  if (packed == nullptr) return;
  const std::size_t panel = kernels().panel;
  weights_turned_ = weights_ + packed_floats(most.H + 1, most.V);
  row_tiles_ = Buffer((rows_ + kernels().tile) * (most.H + 1));
  if (trainable) column_tiles_ = Buffer(rows_ * (most.H + kernels().tile));
  inverse_ = Buffer(rows_);
  scratch_ = Buffer(2 * rows_ * panel);
}

std::size_t SoftmaxHead::workspace_floats() const {
  return logits_.size() + row_tiles_.size() + column_tiles_.size() + inverse_.size() +
         scratch_.size();
}

double SoftmaxHead::forward(const HeadInput& in) {
  return weights_ != nullptr ? packed(in, nullptr) : blas(in, nullptr);
}

double SoftmaxHead::forward_backward(const HeadInput& in, const HeadGrads& grads) {
  return weights_ != nullptr ? packed(in, &grads) : blas(in, &grads);
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

// Rows of h side by side, tile after tile, with a one below them that multiplies the bias: the product reads
// one stream instead of one a row.
void SoftmaxHead::row_tiles(const float* hs, std::size_t rows, std::size_t height) {
  const std::size_t H = dims_.H;
  float* out = row_tiles_.data();
  for (std::size_t r0 = 0; r0 < rows; r0 += height, out += (H + 1) * height) {
    const std::size_t count = std::min(height, rows - r0);
    kernels().turn_tile(out, hs + r0 * H, H, H, count);
    std::fill_n(out + H * count, count, 1.0f);
  }
}

double SoftmaxHead::packed_logits(const HeadInput& in, std::size_t first, std::size_t rows, bool gradient) {
  const std::size_t V = dims_.V, panel = kernels().panel, k = dims_.H + 1, height = tile_height(rows);
  row_tiles(in.hs + first * dims_.H, rows, height);
  for (std::size_t v = 0; v < V; v += panel) {
    const float *w = weights_ + v * k, *next = v + panel < V ? w + k * panel : nullptr;
    for (std::size_t r = 0; r < rows; r += height) {
      // Whole panels are stored, the padded columns too: the softmax skips them.
      const std::size_t count = std::min(height, rows - r);
      kernels().gemm_panel({logits_.data() + v * rows + r * panel, panel, row_tiles_.data() + r * k, 1, count,
                            0, w, count, panel, k, false, false, r == 0 ? next : nullptr});
    }
  }
  return kernels().softmax_panels(
      {logits_.data(), rows, V, in.targets + first, inverse_.data(), scratch_.data(), gradient});
}

// h · inverse, columns side by side, tile after tile: the gradient of W reads them in order, out of L1.
void SoftmaxHead::column_tiles(const float* hs, std::size_t rows, std::size_t height) {
  const std::size_t H = dims_.H;
  float* out = column_tiles_.data();
  for (std::size_t h = 0; h < H; h += height, out += rows * height) {
    kernels().pack_tile({out, hs + h, H, rows, std::min(height, H - h), height, inverse_.data()});
  }
}

void SoftmaxHead::weight_gradients(const HeadGrads& g, const float* hs, std::size_t rows, bool more) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel, height = tile_height(H);
  column_tiles(hs, rows, height);
  for (std::size_t v = 0; v < V; v += panel) {
    const float *e = logits_.data() + v * rows, *next = v + panel < V ? e + rows * panel : nullptr;
    const std::size_t width = std::min(panel, V - v);
    for (std::size_t h = 0; h < H; h += height) {
      kernels().gemm_panel({g.dW + h * V + v, V, column_tiles_.data() + h * rows, 1, height, 0, e,
                            std::min(height, H - h), width, rows, more, false, h == 0 ? next : nullptr});
    }
    kernels().gemm_panel({g.db + v, V, inverse_.data(), 1, 1, 0, e, 1, width, rows, more, false});
  }
}

// dh = e·Wᵀ · inverse, a few panels of e at a time.
void SoftmaxHead::hidden_gradients(const HeadGrads& g, std::size_t first, std::size_t rows) {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel, chunk = kTurnedPanels * panel;
  float* dhs = g.dhs + first * H;
  for (std::size_t v = 0; v < V; v += chunk) {
    const std::size_t k = std::min(chunk, V - v);
    for (std::size_t h = 0; h < H; h += panel) {
      const float* w = weights_turned_ + h * V + v * panel;
      const float* next = h + panel < H   ? w + V * panel
                          : v + chunk < V ? weights_turned_ + (v + chunk) * panel
                                          : nullptr;
      kernels().gemm_panel({dhs + h, H, logits_.data() + v * rows, panel, 1, rows * panel, w, rows,
                            std::min(panel, H - h), k, v != 0, false, next});
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t h = 0; h < H; ++h) dhs[r * H + h] *= inverse_.data()[r];
  }
}

double SoftmaxHead::packed(const HeadInput& in, const HeadGrads* grads) {
  double loss = 0.0;
  for (std::size_t first = 0; first < in.M; first += rows_) {
    const std::size_t rows = std::min(rows_, in.M - first);
    loss += packed_logits(in, first, rows, grads != nullptr);
    if (grads == nullptr) continue;
    for (std::size_t r = 0; r < rows; ++r) inverse_.data()[r] *= grads->scale;
    weight_gradients(*grads, in.hs + first * dims_.H, rows, first != 0);
    hidden_gradients(*grads, first, rows);
  }
  return loss;
}

}  // namespace timernn
