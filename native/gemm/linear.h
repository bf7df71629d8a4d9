// A weight matrix packed for inference, once: float32, bfloat16, or int8 with a scale for each column.
// Every element of a product is one sum in one order, so a row's result has the same bits in a batch of any
// size and on any number of threads.
//
//   float32   panels of kernels().panel columns, k rows each, as gemm/packed.h has them
//   bfloat16  the same panels, rounded to nearest even, rows in pairs: a 32-bit word has W[2s][c] below
//             W[2s+1][c]
//   int8      the same panels, rows in fours: a 32-bit word has the bytes W[4s…4s+3][c]; W ≈ byte · scale[c],
//             scale[c] = max|W[·][c]| / 127. Activations are rounded to 16 bits of their row's largest.
//
// Refuses to do: gradients, and weights that change.
#pragma once

#include <cstdint>

#include "../core/buffer.h"
#include "../core/share.h"

namespace timernn {

enum class Precision { float32, bfloat16, int8 };

/// Rows of an int8 matrix, at most: more might overflow a sum of 32 bits.
inline constexpr std::size_t kLargestInt8Rows = 65536;

struct LinearWeights {
  const float* W;  ///< k×n at leading dimension ld, or n×k where `transposed`
  std::size_t k, n, ld;
  bool transposed = false;
};

struct LinearRows {
  float* C;  ///< m×n, leading dimension ldc
  std::size_t ldc;
  const float* A;  ///< m×k, leading dimension lda
  std::size_t lda, m;
  const float* bias = nullptr;  ///< n floats, or null
  bool accumulate = false, tanh = false;
  float*
      shared;  ///< Linear::shared_floats(m): one for all threads, of this product alone until the next sync
  float* scratch;  ///< Linear::scratch_floats(m): each thread its own
};

class Linear {
 public:
  Linear(const LinearWeights& weights, Precision precision);

  /// What all threads make together before products with the rows: for int8, their 16-bit forms. Each does
  /// its part; Share::sync() must stand between this and the products.
  void prepare(const LinearRows& rows, const Share& share) const;
  /// C (+)= A·W + bias, for the columns [begin, end) of it; begin is a multiple of a panel.
  void columns(const LinearRows& rows, std::size_t begin, std::size_t end) const;
  /// Both for all columns, each thread its part of the panels. Prepares and syncs where that is needed; C is
  /// whole only after another sync, but the same thread has the same columns of every product that is as
  /// wide.
  void multiply(const LinearRows& rows, const Share& share) const;

  std::size_t n() const { return n_; }
  std::size_t bytes() const { return (weights_.size() + scales_.size() + sums_.size()) * sizeof(float); }
  std::size_t shared_floats(std::size_t m) const;
  std::size_t scratch_floats(std::size_t m) const;

 private:
  void pack_bfloat16(const LinearWeights& w);
  void pack_int8(const LinearWeights& w);

  std::size_t k_, n_;
  Precision precision_;
  Buffer weights_, scales_, sums_;  // sums are 32-bit integers
};

}  // namespace timernn
