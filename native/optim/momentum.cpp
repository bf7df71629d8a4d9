// SGD with momentum, v ← μ·v + g; p ← p − η·v (Polyak 1964), and with Nesterov's look ahead, p ← p − η·(g +
// μ·v) (Sutskever et al. 2013), both in PyTorch's form: the step size is outside v.
#include "step.h"

namespace timernn {

namespace {
UpdateStep with_momentum(const UpdateArgs& a) {
  UpdateStep s = update_step(a);
  s.a = static_cast<float>(a.numbers.momentum);
  return s;
}
void update(const UpdateArgs& a) {
  kernels().update_momentum(with_momentum(a));
}
void update_nesterov(const UpdateArgs& a) {
  kernels().update_nesterov(with_momentum(a));
}
}  // namespace

extern const Optimizer momentum_optimizer, nesterov_optimizer;
const Optimizer momentum_optimizer = {"momentum", {"momentum"}, update};
const Optimizer nesterov_optimizer = {"nesterov", {"momentum"}, update_nesterov};

}  // namespace timernn
