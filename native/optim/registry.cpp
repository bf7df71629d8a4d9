// The registry of optimisers, and global-norm clipping.
#include "optimizer.h"

namespace timernn {

extern const Optimizer sgd_optimizer;

namespace {
constexpr const Optimizer* kOptimizers[] = {&sgd_optimizer};
}

const Optimizer* find_optimizer(const std::string& name) {
  for (const Optimizer* o : kOptimizers) {
    if (name == o->name) return o;
  }
  return nullptr;
}

double clip_factor(double norm, double clip) {
  return clip > 0.0 && norm > clip ? clip / norm : 1.0;
}

}  // namespace timernn
