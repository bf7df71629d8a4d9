// The matrix products that all cells have: the input's and the weight gradients, one a window, and the
// recurrent one, one a step. Each takes the packed form of its weights, or null: then BLAS, or the
// matrix-vector kernel for one row, multiplies them as they are. Weight gradients need no weights: they go by
// gemm_path(). model/weight_work.h has them for many threads.
// Refuses to do: anything elementwise but a fused tanh, and allocation.
#pragma once

#include "cell.h"

namespace timernn {

/// A form of a layer's packed weights, null where nothing is packed.
inline const float* packed_form(const float* const* packed, std::size_t form) {
  return packed == nullptr ? nullptr : packed[form];
}

struct InputProduct {
  float* z;                       ///< rows×G, overwritten
  const float *xs, *Wx, *packed;  ///< rows×D, D×G, Wx packed or null
  const float* b;                 ///< G, or null for none
  float* scratch;                 ///< product_scratch_floats(rows, D)
  std::size_t rows, D, G;
};
/// z = xs·Wx + b.
void input_product(const InputProduct& p);

struct InputGradients {
  float *dxs, *db;                ///< rows×D (null where not needed), G (null: no bias): overwritten
  const float* dz;                ///< rows×G
  const float *Wx, *packed_back;  ///< D×G; Wxᵀ packed or null
  float* scratch;                 ///< product_scratch_floats(rows, G)
  std::size_t rows, D, G;
};
/// dxs = dz·Wxᵀ, db = Σ dz.
void input_gradients(const InputGradients& g);

/// Floats of scratch for a product of `rows` rows of k numbers.
std::size_t product_scratch_floats(std::size_t rows, std::size_t k);

/// Where a factor of a weight product starts, after backward(b).
const float* rows_of(const CellBackward& b, const WindowRows& rows);
bool same_rows(const WindowRows& a, const WindowRows& b);
/// The gradients of a cell's weights, after its backward(b): overwritten, one after the other.
/// scratch: weight_product_floats().
void weight_gradients(const Cell& cell, const CellBackward& b, float* scratch);
std::size_t weight_product_floats(const Cell& cell, const CellDims& dims);

struct StepWeights {
  const float* W;       ///< in×out, or out×in where `transposed`; leading dimension ld
  const float* packed;  ///< the same, packed, or null
  std::size_t in, out, ld;
  bool transposed = false;
};
struct StepRows {
  float* C;  ///< n×out, leading dimension ldc
  std::size_t ldc;
  const float* A;  ///< n×in, leading dimension lda
  std::size_t lda;
  bool accumulate = false, tanh = false;
};

/// C (+)= A·W for the few rows of a step, with the same W for all steps of a window. One row alone is a
/// matrix-vector product on the weights as they are.
class StepProduct {
 public:
  /// @param scratch  floats(), in use as long as this object: for rows in tiles; where nothing is packed, for
  /// the weights turned once for all T steps, which is how sgemm is fastest
  StepProduct(float* scratch, const StepWeights& weights, const CellDims& dims);
  void operator()(const StepRows& rows) const;

  /// Floats of scratch for n rows and an in×out matrix.
  static std::size_t floats(std::size_t n, std::size_t in, std::size_t out);

 private:
  enum class Form { as_stored, turned, packed };
  StepWeights weights_;
  float* scratch_;
  std::size_t n_;
  Form form_;
};

}  // namespace timernn
