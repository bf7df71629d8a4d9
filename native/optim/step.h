// What all optimisers fill in alike for their kernel.
#pragma once

#include "../math/kernels.h"
#include "optimizer.h"

namespace timernn {

/// @param rate  the step size in the kernel's formula
/// @param decay  η·decay, the share of the parameters that is taken away
inline UpdateStep update_step(const UpdateArgs& a, double rate, double decay) {
  UpdateStep s{};
  s.params = a.params;
  s.grads = a.grads;
  s.slots[0] = a.slots[0];
  s.slots[1] = a.slots[1];
  s.n = a.n;
  s.clip_scale = a.clip_scale;
  s.clip_value = a.clip_value;
  s.decay = static_cast<float>(decay);
  s.rate = static_cast<float>(rate);
  s.epsilon = static_cast<float>(a.numbers.epsilon);
  return s;
}

inline UpdateStep update_step(const UpdateArgs& a) {
  return update_step(a, a.learning_rate, a.learning_rate * a.numbers.weight_decay);
}

}  // namespace timernn
