// The book's TimeRNN on batch-first arrays (N×T×·): turns them to the kernels' time-major order and back.
// Refuses to do: keeping anything between forward and backward; the caller holds xs, hs and h0.
#pragma once

#include "../cells/cell.h"

namespace timernn {

struct LayerForward {
  float* hs;               ///< N×T×H, overwritten
  const float *xs, *h0;    ///< N×T×D, N×H
  const float* params[3];  ///< Wx D×H, Wh H×H, b H
  CellDims dims;
};
void layer_forward(const LayerForward& f);

struct LayerBackward {
  float *dxs, *dh0;            ///< N×T×D, N×H, overwritten
  float* grads[3];             ///< dWx, dWh, db, overwritten
  const float *dhs, *dh_next;  ///< N×T×H, N×H
  const float *xs, *hs, *h0;
  const float* params[3];
  CellDims dims;
};
void layer_backward(const LayerBackward& b);

}  // namespace timernn
