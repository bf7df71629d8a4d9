// AdaGrad (Duchi, Hazan, Singer 2011): q ← q + g²; p ← p − η·g / (√q + ε). PyTorch's formula, without its
// decay of η.
#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  UpdateStep s = update_step(a);
  s.a = 1.0f;
  s.b = 1.0f;
  kernels().update_scaled(s);
}
}  // namespace

extern const Optimizer adagrad_optimizer;
const Optimizer adagrad_optimizer = {"adagrad", {"squares"}, update};

}  // namespace timernn
