// The whole model in double: embedding → cells → affine → softmax cross-entropy, forward only. Gradients come
// from it by central differences.
#pragma once

#include <vector>

#include "model/replica.h"
#include "reference/cell.h"

namespace timernn::test {

struct ReferenceWindow {
  double* hs;        ///< T·n×H, time-major, overwritten; may be null
  double* state;     ///< states·n×H: carried in and out
  const double* xs;  ///< T·n×D
  const double* const* params;
  CellDims dims;
};

/// A window through one cell, with the memory layout of the float kernels.
void reference_layer(const Cell& cell, const ReferenceWindow& window);

/// −log softmax(z)[target] in nats.
double reference_loss(const double* z, std::size_t n, std::size_t target);

/// Sum of the negative log-likelihoods over a window; `state` is carried.
/// @param penalty  where given: dropout, and here the penalties, as a mean over rows·steps
double reference_model(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                       const std::vector<double>& params, std::vector<double>& state, const WindowInput& in,
                       const Regularization* regularization = nullptr, double* penalty = nullptr);

/// Logits after feeding `tokens` to one fresh stream.
std::vector<double> reference_logits(const ModelSpec& spec, const std::vector<std::size_t>& offsets,
                                     const std::vector<double>& params,
                                     const std::vector<std::uint32_t>& tokens);

}  // namespace timernn::test
