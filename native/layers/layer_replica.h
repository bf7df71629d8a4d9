// One recurrent layer alone, time-major and with its whole workspace allocated once: what a replica is to a
// model. For loops that bring their own inputs and gradients (and for the benchmark of the layer workloads).
// Refuses to do: batch-first arrays (see window.h), updates, threads.
#pragma once

#include <vector>

#include "../cells/packed_weights.h"
#include "../core/buffer.h"

namespace timernn {

struct LayerWindow {
  float* dxs;                  ///< T·n×D, overwritten
  float* const* grads;         ///< the cell's gradients in table order, overwritten
  float* state;                ///< in: carried state; out: state after the window (states·n×H, h first)
  const float *xs, *dhs;       ///< T·n×D; T·n×H, gradient of the outputs
  const float* const* params;  ///< the cell's tensors in table order
  const float* packed;         ///< as weights().pack() made it; null: products go through BLAS
};

class LayerReplica {
 public:
  LayerReplica(const Cell& cell, const CellDims& dims);

  /// Forward and truncated backward over one window.
  void window(const LayerWindow& w);

  const Cell& cell() const { return cell_; }
  const CellDims& dims() const { return dims_; }
  const PackedLayer& weights() const { return weights_; }

 private:
  const Cell& cell_;
  CellDims dims_;
  PackedLayer weights_;
  Buffer hs_, dhs_, dstate_, ws_, scratch_;
};

}  // namespace timernn
