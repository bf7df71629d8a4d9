// The matrix products that all cells have: the input's, one a window, and the recurrent one, one a step.
// Refuses to do: anything elementwise but a fused tanh, and allocation.
#pragma once

#include "cell.h"

namespace timernn {

/// z (rows×G) = xs (rows×D) · Wx (D×G) + b (G). Overwrites z.
void input_product(float* z, const float* xs, const float* Wx, const float* b, std::size_t rows,
                   std::size_t D, std::size_t G);

struct InputGradients {
  float *dxs, *dWx, *db;  ///< rows×D (null where it is not needed), D×G, G: overwritten
};
/// From dz (rows×G): dxs = dz·Wxᵀ, dWx = xsᵀ·dz, db = Σ dz. scratch: input_scratch_floats(D, G).
void input_gradients(const InputGradients& out, const float* dz, const float* xs, const float* Wx,
                     std::size_t rows, std::size_t D, std::size_t G, float* scratch);
std::size_t input_scratch_floats(std::size_t D, std::size_t G);

struct StepWeights {
  const float* W;  ///< in×out, or out×in where `transposed`; leading dimension ld
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

/// C (+)= A·W for the few rows of a step, with the same W for all steps of a window: the weights are brought
/// into the form that multiplies fastest once. Packing pays where it serves several steps of several rows;
/// one row alone is a matrix-vector product on the weights as they are.
class StepProduct {
 public:
  /// @param scratch  floats(weights), in use as long as this object
  StepProduct(float* scratch, const StepWeights& weights, const CellDims& dims);
  void operator()(const StepRows& rows) const;

  /// Floats of scratch for an in×out matrix.
  static std::size_t floats(std::size_t in, std::size_t out);

 private:
  enum class Form { as_stored, turned, packed };
  StepWeights weights_;
  const float* scratch_;
  std::size_t n_;
  Form form_;
};

}  // namespace timernn
