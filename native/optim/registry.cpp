// The registry of optimisers, and global-norm clipping.
#include "optimizer.h"

namespace timernn {

extern const Optimizer sgd_optimizer, momentum_optimizer, nesterov_optimizer, adagrad_optimizer,
    rmsprop_optimizer, adam_optimizer, adamw_optimizer, asgd_optimizer;

const std::vector<const Optimizer*>& optimizers() {
  static const std::vector<const Optimizer*> all = {
      &sgd_optimizer,     &momentum_optimizer, &nesterov_optimizer, &adagrad_optimizer,
      &rmsprop_optimizer, &adam_optimizer,     &adamw_optimizer,    &asgd_optimizer};
  return all;
}

const Optimizer* find_optimizer(const std::string& name) {
  for (const Optimizer* o : optimizers()) {
    if (name == o->name) return o;
  }
  return nullptr;
}

double clip_factor(double norm, double clip) {
  return clip > 0.0 && norm > clip ? clip / norm : 1.0;
}

}  // namespace timernn
