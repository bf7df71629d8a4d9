// The gradient of the output layer's weights from a block's exponentials, in parts; see softmax_head.h.
#include <algorithm>

#include "../gemm/packed.h"
#include "../math/kernels.h"
#include "softmax_head.h"

namespace timernn {

SoftmaxHead::WorkSizes SoftmaxHead::work_sizes(const HeadDims& d, std::size_t rows) {
  const auto lines = [](std::size_t floats) { return (floats + 15) / 16 * 16; };
  return {lines(rows * packed_floats(1, d.V)),
          lines(rows * (d.H + std::max(kernels().tile, kernels().panel))), lines(rows)};
}

SoftmaxHead::Work SoftmaxHead::factors_in(const float* work) const {
  const WorkSizes sizes = work_sizes(dims_, rows_);
  return {work, work + sizes.e, work + sizes.e + sizes.columns};
}

void SoftmaxHead::work_in(float* work) {
  const WorkSizes sizes = work_sizes(dims_, rows_);
  logits_ = work;
  columns_ = logits_ + sizes.e;
  inverse_ = columns_ + sizes.columns;
}

namespace {
// db (+)= inverse · e: a row times a panel.
void bias_gradients(float* db, const float* inverse, const float* e, std::size_t width, std::size_t rows,
                    bool more) {
  PanelProduct p{};
  p.C = db;
  p.A = inverse;
  p.a_step = 1;
  p.B = e;
  p.m = p.height = 1;
  p.n = width;
  p.k = rows;
  p.accumulate = more;
  kernels().gemm_panel(p);
}
}  // namespace

// h · inverse as the gradient of W reads it in order: tiles of columns side by side, or, tied, panels.
void SoftmaxHead::pack_hidden(const float* hs, std::size_t rows, float scale) {
  const std::size_t H = dims_.H, height = dims_.tied ? kernels().panel : even_tile_height(H);
  for (std::size_t r = 0; r < rows; ++r) inverse_[r] *= scale;
  kernels().pack_tiles({columns_, hs, H, rows, H, height, inverse_, dims_.tied});
}

std::size_t SoftmaxHead::block_parts(std::size_t rows) const {
  if (!dims_.tied) return outer_parts(dims_.H, dims_.V, rows);
  const std::size_t each = tied_part_rows(rows);
  return (dims_.V + each - 1) / each;
}

// Rows of the tied gradient that are a part. Words here, not positions of the window.
std::size_t SoftmaxHead::tied_part_rows(std::size_t rows) const {
  return part_panels(dims_.H, dims_.H, dims_.V, rows) * kernels().panel;
}

SoftmaxHead::Range SoftmaxHead::tied_block_rows(std::size_t rows, std::size_t part) const {
  const std::size_t each = tied_part_rows(rows);
  return {part * each, std::min(dims_.V, (part + 1) * each)};
}

void SoftmaxHead::block_part(const Block& b, std::size_t part) const {
  const std::size_t H = dims_.H, V = dims_.V, panel = kernels().panel;
  if (dims_.tied) {
    tied_part(b, tied_block_rows(b.rows, part));
    return;
  }
  const OuterPart where = outer_part(H, V, b.rows, part);
  multiply_outer({b.dW, b.work.columns, b.work.e, H, V, b.rows, V, b.more}, where);
  if (where.row != 0) return;
  for (std::size_t v = where.column; v < where.column + where.columns; v += panel) {
    bias_gradients(b.db + v, b.work.inverse, b.work.e + v * b.rows, std::min(panel, V - v), b.rows, b.more);
  }
}

// dW = eᵀ·(h · inverse), V×H: a panel of e as the left factor, read down its columns; h in panels as the
// right one.
void SoftmaxHead::tied_part(const Block& b, Range range) const {
  const std::size_t H = dims_.H, panel = kernels().panel, rows = b.rows;
  PanelProduct p{};
  p.ldc = H;
  p.a_row = 1;
  p.a_step = panel;
  p.k = rows;
  p.accumulate = b.more;
  for (std::size_t v = range.begin; v < range.end; v += panel) {
    const float* e = b.work.e + v * rows;
    const std::size_t width = std::min(panel, range.end - v);
    p.A = e;
    p.m = width;
    p.height = even_tile_height(width);
    for (std::size_t h = 0; h < H; h += panel) {
      p.C = b.dW + v * H + h;
      p.B = b.work.columns + h * rows;
      p.n = std::min(panel, H - h);
      kernels().gemm_panel(p);
    }
    bias_gradients(b.db + v, b.work.inverse, e, width, rows, b.more);
  }
}

std::size_t SoftmaxHead::last_block(std::size_t M) const {
  return (M - 1) / rows_ * rows_;
}

std::size_t SoftmaxHead::weight_parts(std::size_t M) const {
  return block_parts(M - last_block(M));
}

SoftmaxHead::Range SoftmaxHead::tied_rows(std::size_t M, std::size_t part) const {
  return tied_block_rows(M - last_block(M), part);
}

void SoftmaxHead::weight_part(float* dW, float* db, const float* work, std::size_t M,
                              std::size_t part) const {
  const std::size_t first = last_block(M);
  block_part({dW, db, factors_in(work), M - first, first != 0}, part);
}

}  // namespace timernn
