// The steps of averaged SGD, PyTorch's formula, whose size falls by itself: at step t
//   η_t = η / (1 + λ·η·(t − 1))^α;  p ← p − η_t·(g + λ·p)
// The average is that of any optimiser: average.cpp.
#include <cmath>

#include "step.h"

namespace timernn {

namespace {
void update(const UpdateArgs& a) {
  const OptimizerNumbers& n = a.numbers;
  const double rate = a.learning_rate / std::pow(1.0 + n.lambda * a.learning_rate * (a.step - 1.0), n.power);
  kernels().update_sgd(update_step(a, rate, rate * (n.lambda + n.weight_decay)));
}
}  // namespace

extern const Optimizer asgd_optimizer;
const Optimizer asgd_optimizer = {"asgd", {}, update};

}  // namespace timernn
