// The book's Time layers on batch-first arrays (N×T×·): turns them to the cells' time-major order and back.
// Refuses to do: keeping anything between forward and backward; the caller holds xs, hs, the state and ws.
#pragma once

#include "../cells/cell.h"

namespace timernn {

struct LayerForward {
  float* hs;                   ///< N×T×H, overwritten
  float* end;                  ///< state after the window, states·N×H, h first; overwritten
  float* ws;                   ///< cell.ws_floats(dims), overwritten; backward reads it
  const float *xs, *state;     ///< N×T×D; state before the window, states·N×H
  const float* const* params;  ///< the cell's tensors in table order
  const Cell& cell;
  CellDims dims;
};
void layer_forward(const LayerForward& f);

struct LayerBackward {
  float *dxs, *dstate;       ///< N×T×D; gradient at the state before the window, states·N×H; overwritten
  float* const* grads;       ///< the cell's gradients in table order, overwritten
  const float *dhs, *dnext;  ///< N×T×H; gradient that arrives at the state after the window, states·N×H
  const float* ws;           ///< as forward left it; may serve several times
  const float *xs, *hs, *state;
  const float* const* params;
  const Cell& cell;
  CellDims dims;
};
void layer_backward(const LayerBackward& b);

}  // namespace timernn
