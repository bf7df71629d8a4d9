// The contract of an optimiser: one fused pass over a range of parameters. Adding one: a file beside sgd.cpp
// and a line in registry.cpp.
#pragma once

#include <cstddef>
#include <string>

namespace timernn {

struct UpdateArgs {
  float* params;
  const float* grads;  ///< reduced, not yet clipped
  float clip_scale;    ///< factor that clips: min(1, clip / norm)
  float learning_rate;
  std::size_t n;
};

struct Optimizer {
  const char* name;
  void (*update)(const UpdateArgs&);
};

const Optimizer* find_optimizer(const std::string& name);

/// Factor that brings a gradient of this norm down to `clip`; 1 where it is below or where clip is 0.
double clip_factor(double norm, double clip);

}  // namespace timernn
