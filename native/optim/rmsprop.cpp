// RMSprop (Tieleman and Hinton 2012): q ← α·q + (1 − α)·g²; p ← p − η·g / (√q + ε). PyTorch's formula (ε
// outside the root), not centred, without momentum.
#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  UpdateStep s = update_step(a);
  s.a = static_cast<float>(a.numbers.smoothing);
  s.b = static_cast<float>(1.0 - a.numbers.smoothing);
  kernels().update_scaled(s);
}
}  // namespace

extern const Optimizer rmsprop_optimizer;
const Optimizer rmsprop_optimizer = {"rmsprop", {"squares"}, update};

}  // namespace timernn
