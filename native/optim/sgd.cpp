// Stochastic gradient descent: p ← p − η · s · g, with s the clipping factor.
#include "../math/kernels.h"
#include "optimizer.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  kernels().subtract_scaled(a.params, a.grads, a.learning_rate * a.clip_scale, a.n);
}
}  // namespace

extern const Optimizer sgd_optimizer;
const Optimizer sgd_optimizer = {"sgd", update};

}  // namespace timernn
