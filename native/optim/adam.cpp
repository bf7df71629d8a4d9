// Adam (Kingma and Ba 2015): m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²;
// p ← p − η / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε), PyTorch's formula. AdamW (Loshchilov and Hutter 2019) is
// the same with weight decay, which is decoupled for every optimiser here; it has a name of its own because
// its users expect one.
#include <cmath>

#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  const OptimizerNumbers& n = a.numbers;
  const double first = 1.0 - std::pow(n.beta1, a.step), second = 1.0 - std::pow(n.beta2, a.step);
  UpdateStep s = update_step(a, a.learning_rate / first, a.learning_rate * n.weight_decay);
  s.a = static_cast<float>(1.0 - n.beta1);
  s.b = static_cast<float>(n.beta2);
  s.c = static_cast<float>(1.0 - n.beta2);
  s.d = static_cast<float>(1.0 / std::sqrt(second));
  kernels().update_adam(s);
}
}  // namespace

extern const Optimizer adam_optimizer, adamw_optimizer;
const Optimizer adam_optimizer = {"adam", {"m", "v"}, update};
const Optimizer adamw_optimizer = {"adamw", {"m", "v"}, update};

}  // namespace timernn
