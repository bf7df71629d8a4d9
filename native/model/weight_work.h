// What is left of a window once its backward pass has gone through all steps: the gradients of the weights, a
// third of the work and none of it in a fixed order. Their factors are packed into memory that all ranks
// share, and then anybody multiplies parts of them; see train/runner.h for who does.
// Refuses to do: the output layer's gradient, whose factors are the head's (losses/softmax_head.h).
#pragma once

#include <cstddef>
#include <vector>

#include "../gemm/packed.h"
#include "spec.h"

namespace timernn {

class WeightWork {
 public:
  WeightWork() = default;
  /// @param offsets  of each tensor in an arena, table order
  /// @param rows, window  the most rows and steps of any window
  WeightWork(const ModelSpec& spec, const std::vector<std::size_t>& offsets, std::size_t rows,
             std::size_t window);

  /// Floats that the factors of a window take.
  std::size_t floats() const { return floats_; }
  /// Packs the factors of a layer, after its backward(b).
  void pack(float* work, std::size_t layer, const CellBackward& b) const;
  /// Parts of a window of M rows (streams · steps).
  std::size_t parts(std::size_t M) const;
  /// Multiplies one of them: a rectangle of a gradient in the arena `grads`.
  void multiply(float* grads, const float* work, std::size_t M, std::size_t part) const;

 private:
  struct Product {
    std::size_t gradient, ldc, m, n;  ///< where its rectangle starts in an arena, and how large it is
    std::size_t tiles, panels;        ///< floats from the start of the work
    bool has_panels;                  ///< of its own; else those of the one before
  };
  std::vector<Product> products_;   ///< layer after layer
  std::vector<const Cell*> cells_;  ///< a layer's
  std::vector<std::size_t> first_;  ///< a layer's first product, then how many there are
  std::size_t floats_ = 0;
};

}  // namespace timernn
