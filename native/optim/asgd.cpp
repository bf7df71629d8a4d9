// Averaged SGD (Polyak and Juditsky 1992), PyTorch's formula: at step t, with t₀ the steps before the average
// starts,
//   η_t = η / (1 + λ·η·(t − 1))^α;  p ← p − η_t·(g + λ·p);  x ← x + (p − x) / max(1, t − 1 − t₀)
// Until t₀ the average is not touched; the two first steps after it set x to p.
#include <algorithm>
#include <cmath>

#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  const OptimizerNumbers& n = a.numbers;
  const double rate = a.learning_rate / std::pow(1.0 + n.lambda * a.learning_rate * (a.step - 1.0), n.power);
  UpdateStep s = update_step(a, rate, rate * (n.lambda + n.weight_decay));
  if (!(a.step > a.average_from)) return kernels().update_sgd(s);
  s.a = static_cast<float>(1.0 / std::max(1.0, a.step - 1.0 - a.average_from));
  kernels().update_average(s);
}
}  // namespace

extern const Optimizer asgd_optimizer;
const Optimizer asgd_optimizer = {"asgd", {"average"}, update};

}  // namespace timernn
