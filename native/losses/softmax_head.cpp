// Blocks of rows through product, softmax and the gradient products; see softmax_head.h.
#include "softmax_head.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

namespace {
// Rows of a block. BLAS packs W at every call, so it gets 8 MB of logits at a time. Ours are packed once a
// window, and what is used again soon lies in L2 whatever the block; up to 14 MB of exponentials, and up to
// kMostRows rows, give the gradient of W a sum long enough to pay for loading and storing it. The tied one
// does not go through its rows in parts, so these are no more than Kernels::depth where that is finite; and
// the other's factors are one block of a PackedOuter.
constexpr std::size_t kMostRows = 384;
static_assert(kMostRows <= kOuterRows);
std::size_t choose_rows(const HeadDims& d, bool packed) {
  if (!packed)
    return std::min(d.M, std::max<std::size_t>(64, (std::size_t{8} << 20) / (d.V * sizeof(float))));
  const std::size_t tile = kernels().tile,
                    fit = (std::size_t{14} << 20) / (d.V * sizeof(float)) / tile * tile;
  return std::min(d.M, std::clamp(fit, 2 * tile, kMostRows));
}
// Columns that go through product, softmax and dh together, while a block of them is in L2.
std::size_t chunk_columns() {
  return 8 * kernels().panel;
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
  if (w.tied) {
    pack({out + begin * rows, w.W + begin * w.H, w.H, end - begin, w.H, true, rows});
  } else {
    pack({out + begin * rows, w.W + begin, w.H, end - begin, w.V, false, rows});
  }
  for (std::size_t v = begin; v < end; v += panel) {
    const std::size_t width = std::min(panel, end - v);
    float* bias = out + v * rows + w.H * panel;
    std::memcpy(bias, w.b + v, width * sizeof(float));
    std::memset(bias + width, 0, (panel - width) * sizeof(float));
  }
  if (!turned) return;
  float* out_turned = out + packed_floats(rows, w.V);
  for (std::size_t h = 0; h < w.H; h += panel) {
    float* panels = out_turned + h * w.V + begin * panel;
    const std::size_t width = std::min(panel, w.H - h);
    if (w.tied) {
      kernels().pack_rows(panels, w.W + begin * w.H + h, w.H, end - begin, width);
    } else {
      kernels().pack_turned(panels, w.W + h * w.V + begin, w.V, end - begin, width);
    }
  }
}

std::size_t SoftmaxHead::work_floats(const HeadDims& most) {
  return work_sizes(most, choose_rows(most, true)).floats();
}

SoftmaxHead::SoftmaxHead(const HeadDims& most, bool trainable, const float* packed, bool lent)
    : dims_(most), rows_(choose_rows(most, packed != nullptr)), trainable_(trainable), weights_(packed) {
  if (packed == nullptr) {
    own_ = Buffer(rows_ * most.V);
    logits_ = own_.data();
    return;
  }
  weights_turned_ = weights_ + packed_floats(most.H + 1, most.V);
  if (trainable && !lent) {
    own_ = Buffer(work_floats(most));
    work_in(own_.data());
  } else if (!trainable) {
    const std::size_t e = rows_ * packed_floats(1, std::min(most.V, chunk_columns()));
    own_ = Buffer(e + rows_);
    logits_ = own_.data();
    inverse_ = logits_ + e;
  }
  row_tiles_ = Buffer(rows_ * (most.H + 1));
  sums_ = Buffer(rows_ * kernels().panel);
  for (Buffer* b : {&reference_, &factor_, &target_, &target_e_}) *b = Buffer(rows_);
}

std::size_t SoftmaxHead::workspace_floats() const {
  std::size_t floats = 0;
  for (const Buffer* b : {&own_, &row_tiles_, &sums_, &reference_, &factor_, &target_, &target_e_}) {
    floats += b->size();
  }
  return floats;
}

double SoftmaxHead::forward(const HeadInput& in) {
  return weights_ != nullptr ? packed(in, nullptr, false) : blas(in, nullptr);
}

double SoftmaxHead::forward_backward(const HeadInput& in, const HeadGrads& grads, bool leave) {
  return weights_ != nullptr ? packed(in, &grads, leave) : blas(in, &grads);
}

double SoftmaxHead::blas(const HeadInput& in, const HeadGrads* g) {
  const std::size_t H = dims_.H, V = dims_.V;
  const int v = static_cast<int>(V), h = static_cast<int>(H);
  double loss = 0.0;
  for (std::size_t first = 0; first < in.M; first += rows_) {
    const std::size_t count = std::min(rows_, in.M - first);
    const int m = static_cast<int>(count);
    const float* hs = in.hs + first * H;
    float* z = logits_;
    gemm({z, hs, in.W, m, v, h, false, dims_.tied});
    for (std::size_t r = 0; r < count; ++r) {
      loss += static_cast<double>(kernels().softmax_cross_entropy(
          z + r * V, in.b, V, in.targets[first + r], g == nullptr ? 0.0f : g->scale, g != nullptr));
    }
    if (g == nullptr) continue;
    const float more = first == 0 ? 0.0f : 1.0f;
    if (dims_.tied) {
      gemm({g->dW, z, hs, v, h, m, true, false, more});
    } else {
      gemm({g->dW, hs, z, h, v, m, true, false, more});
    }
    kernels().column_sums(g->db, z, count, V, first != 0);
    gemm({g->dhs + first * H, z, in.W, m, h, v, false, !dims_.tied});
  }
  return loss;
}

// Rows of h side by side, tile after tile, with a one below them that multiplies the bias: the product reads
// one stream instead of one a row.
void SoftmaxHead::row_tiles(const float* hs, std::size_t rows) {
  const std::size_t H = dims_.H, height = even_tile_height(rows);
  float* out = row_tiles_.data();
  for (std::size_t r = 0; r < rows; r += height) {
    const std::size_t count = std::min(height, rows - r);
    kernels().turn_tile(out, hs + r * H, H, H, count);
    std::fill_n(out + H * count, count, 1.0f);
    out += (H + 1) * count;
  }
}

// e: columns [v, v + n) of h·W + b. Whole panels are stored, the padded columns too: the softmax skips them.
void SoftmaxHead::logits(float* e, std::size_t v, std::size_t n, std::size_t rows) const {
  const std::size_t panel = kernels().panel, k = dims_.H + 1, height = even_tile_height(rows);
  const std::size_t depth = even_depth(k), block = tiled_rows(k, height);
  PanelProduct p{};
  p.ldc = panel;
  p.a_tile = height * k;
  p.n = panel;
  p.height = height;
  for (std::size_t r = 0; r < rows; r += block) {
    p.A = row_tiles_.data() + r * k;
    p.m = std::min(block, rows - r);
    for (std::size_t c = 0; c < n; c += panel) {
      p.C = e + c * rows + r * panel;
      for (std::size_t s = 0; s < k; s += depth) {
        p.a_first = s;
        p.B = weights_ + (v + c) * k + s * panel;
        p.k = std::min(depth, k - s);
        const bool last = v + c + panel >= dims_.V && s + p.k == k;
        p.next = fetched_meanwhile(p.B, last ? weights_ : p.B + p.k * panel);
        p.accumulate = s != 0;
        kernels().gemm_panel(p);
      }
    }
  }
}

// dhs (+)= e·Wᵀ over columns [v, v + n).
void SoftmaxHead::hidden_gradients(float* dhs, const float* e, std::size_t v, std::size_t n,
                                   std::size_t rows) const {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  PanelProduct p{};
  p.ldc = H;
  p.A = e;
  p.a_row = panel;
  p.a_block = rows * panel;
  p.m = rows;
  p.k = n;
  p.height = even_tile_height(rows);
  p.accumulate = v != 0;
  for (std::size_t h = 0; h < H; h += panel) {
    p.C = dhs + h;
    p.B = weights_turned_ + h * V + v * panel;
    p.n = std::min(panel, H - h);
    p.next = h + panel < H ? p.B + V * panel : v + n < V ? weights_turned_ + (v + n) * panel : nullptr;
    kernels().gemm_panel(p);
  }
}

// A row met a logit far above all before: its earlier e, and what was made of them, shrink.
void SoftmaxHead::shrink(float* dhs, std::size_t columns, std::size_t rows) {
  const std::size_t panel = kernels().panel;
  for (std::size_t r = 0; r < rows; ++r) {
    const float factor = factor_.data()[r];
    if (factor == 1.0f) continue;
    for (std::size_t v = 0; v < columns; v += panel) {
      float* e = logits_ + v * rows + r * panel;
      for (std::size_t c = 0; c < panel; ++c) e[c] *= factor;
    }
    for (std::size_t h = 0; h < dims_.H; ++h) dhs[r * dims_.H + h] *= factor;
  }
}

namespace {
// out[r]: the entry of the row's target in e, where columns [v, v + n) have it.
void keep_targets(float* out, const float* e, std::size_t v, std::size_t n, const std::uint32_t* targets,
                  std::size_t rows) {
  const std::size_t panel = kernels().panel;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t c = targets[r] - v;  // wraps around where the target lies before v
    if (c < n) out[r] = e[(c / panel * rows + r) * panel + c % panel];
  }
}
}  // namespace

// The block's losses from its sums. The gradient of the logits is e · inverse, once Σe is off the target.
double SoftmaxHead::losses(const std::uint32_t* targets, std::size_t rows, bool gradient) {
  const std::size_t panel = kernels().panel;
  double loss = 0.0;
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0.0;
    for (std::size_t l = 0; l < panel; ++l) sum += static_cast<double>(sums_.data()[r * panel + l]);
    const double z = static_cast<double>(target_.data()[r]), m = static_cast<double>(reference_.data()[r]);
    const double e = static_cast<double>(target_e_.data()[r]);
    // A confident row has a small loss; from its own e, the rounding of that drops out.
    loss += 2.0 * e > sum ? std::log(sum / e) : std::log(sum) - (z - m);
    inverse_[r] = static_cast<float>(1.0 / sum);
    if (gradient) {
      logits_[(targets[r] / panel * rows + r) * panel + targets[r] % panel] -= static_cast<float>(sum);
    }
  }
  return loss;
}

// dh = (e·Wᵀ) · scale / Σe − scale · (the target's row of Wᵀ).
void SoftmaxHead::finish_hidden(float* dhs, const std::uint32_t* targets, std::size_t rows,
                                float scale) const {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  for (std::size_t r = 0; r < rows; ++r) {
    const float factor = inverse_[r] * scale;
    for (std::size_t h = 0; h < H; h += panel) {
      const float* w = weights_turned_ + h * V + targets[r] * panel;
      float* out = dhs + r * H + h;
      const std::size_t width = std::min(panel, H - h);
      for (std::size_t c = 0; c < width; ++c) out[c] = out[c] * factor - w[c] * scale;
    }
  }
}

double SoftmaxHead::block(const HeadInput& in, const HeadGrads* g, std::size_t first, std::size_t rows) {
  const std::size_t V = dims_.V, chunk = chunk_columns();
  const std::uint32_t* targets = in.targets + first;
  float* dhs = g == nullptr ? nullptr : g->dhs + first * dims_.H;
  row_tiles(in.hs + first * dims_.H, rows);
  for (std::size_t v = 0; v < V; v += chunk) {
    const std::size_t n = std::min(chunk, V - v);
    float* e = logits_ + (trainable_ ? v * rows : 0);
    logits(e, v, n, rows);
    keep_targets(target_.data(), e, v, n, targets, rows);
    const bool moved =
        kernels().softmax_chunk({e, rows, n, reference_.data(), sums_.data(), factor_.data(), v == 0});
    for (std::size_t r = 0; moved && r < rows; ++r) target_e_.data()[r] *= factor_.data()[r];
    keep_targets(target_e_.data(), e, v, n, targets, rows);
    if (g == nullptr) continue;
    if (moved) shrink(dhs, v, rows);
    hidden_gradients(dhs, e, v, n, rows);
  }
  const double loss = losses(targets, rows, g != nullptr);
  if (g == nullptr) return loss;
  finish_hidden(dhs, targets, rows, g->scale);
  pack_hidden(in.hs + first * dims_.H, rows, g->scale);
  return loss;
}

double SoftmaxHead::packed(const HeadInput& in, const HeadGrads* grads, bool leave) {
  double loss = 0.0;
  for (std::size_t first = 0; first < in.M; first += rows_) {
    const std::size_t rows = std::min(rows_, in.M - first);
    loss += block(in, grads, first, rows);
    if (grads == nullptr || (leave && first + rows == in.M)) continue;
    const Block done{grads->dW, grads->db, {logits_, columns_, inverse_}, rows, first != 0};
    for (std::size_t part = 0; part < block_parts(rows); ++part) block_part(done, part);
  }
  return loss;
}

}  // namespace timernn
