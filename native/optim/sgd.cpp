// Stochastic gradient descent: p ← p − η·g, and like every optimiser here − η·λ·p for a weight decay λ.
#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  kernels().update_sgd(update_step(a));
}
}  // namespace

extern const Optimizer sgd_optimizer;
const Optimizer sgd_optimizer = {"sgd", {}, update};

}  // namespace timernn
