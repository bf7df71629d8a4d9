// Layer after layer, product after product; see weight_work.h.
#include "weight_work.h"

#include "../cells/products.h"

namespace timernn {

WeightWork::WeightWork(const ModelSpec& spec, const std::vector<std::size_t>& offsets, std::size_t rows,
                       std::size_t window) {
  const std::size_t M = rows * window;
  const auto place = [this](std::size_t floats) {
    const std::size_t at = floats_;
    floats_ += (floats + 15) / 16 * 16;
    return at;
  };
  std::size_t tensor = 1;  // behind the embedding
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const Cell& cell = *spec.layers[l].cell;
    const CellDims d{window, rows, spec.input_size(l), spec.layers[l].size};
    WeightProduct products[kMostWeightProducts];
    const std::size_t count = cell.weight_products(d, products);
    first_.push_back(products_.size());
    cells_.push_back(&cell);
    for (std::size_t i = 0; i < count; ++i) {
      const WeightProduct& p = products[i];
      const bool shares = i > 0 && same_rows(p.right, products[i - 1].right);
      products_.push_back({offsets[tensor + p.tensor] + p.first, p.ld, p.left.width, p.right.width,
                           place(outer_tiles_floats(p.left.width, M)),
                           shares ? products_.back().panels : place(outer_panels_floats(p.right.width, M)),
                           !shares});
    }
    tensor += cell.tensors(d.D, d.H).size();
  }
  first_.push_back(products_.size());
}

void WeightWork::pack(float* work, std::size_t layer, const CellBackward& b) const {
  const std::size_t M = b.dims.T * b.dims.n;
  // Where the factors lie depends on how many steps this window has.
  WeightProduct factors[kMostWeightProducts];
  cells_[layer]->weight_products(b.dims, factors);
  for (std::size_t i = first_[layer]; i < first_[layer + 1]; ++i) {
    const Product& p = products_[i];
    const WeightProduct& f = factors[i - first_[layer]];
    pack_outer_tiles(work + p.tiles, rows_of(b, f.left), f.left.ld, p.m, M);
    if (p.has_panels) pack_outer_panels(work + p.panels, rows_of(b, f.right), f.right.ld, p.n, M);
  }
}

std::size_t WeightWork::parts(std::size_t M) const {
  std::size_t sum = 0;
  for (const Product& p : products_) sum += outer_parts(p.m, p.n, M);
  return sum;
}

void WeightWork::multiply(float* grads, const float* work, std::size_t M, std::size_t part) const {
  for (const Product& p : products_) {
    const std::size_t parts = outer_parts(p.m, p.n, M);
    if (part < parts) {
      multiply_outer({grads + p.gradient, work + p.tiles, work + p.panels, p.m, p.n, M, p.ldc},
                     outer_part(p.m, p.n, M, part));
      return;
    }
    part -= parts;
  }
}

}  // namespace timernn
