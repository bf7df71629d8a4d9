// The contract of an optimiser: one fused pass over a range of parameters. Adding one: a file beside sgd.cpp
// and a line in registry.cpp.
// Refuses to do: state of its own. What an optimiser keeps lies in slots, arenas like the parameters'; all
// else follows from the number of the step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace timernn {

/// The numbers of all optimisers; each reads its own.
struct OptimizerNumbers {
  double momentum = 0.0;
  double beta1 = 0.0, beta2 = 0.0;
  double epsilon = 0.0;
  double smoothing = 0.0;
  double lambda = 0.0, power = 0.0;
  double weight_decay = 0.0;  ///< decoupled: p ← p − η·weight_decay·p, apart from the gradient's step
};

struct UpdateArgs {
  float* params;
  const float* grads;  ///< reduced, not yet clipped
  float* slots[2];     ///< of this range; as many as the optimiser has
  std::size_t n;
  float clip_scale;  ///< factor that clips by the norm: min(1, clip / norm)
  float clip_value;  ///< then every number is cut off at ± this; infinite for no limit
  double learning_rate;
  double step;  ///< of the run, from 1
  const OptimizerNumbers& numbers;
};

struct Optimizer {
  const char* name;
  const char* slots[2];  ///< names of the arenas that it keeps, zero before the first step; null: fewer
  void (*update)(const UpdateArgs&);

  std::size_t slot_count() const { return slots[1] != nullptr ? 2 : slots[0] != nullptr ? 1 : 0; }
};

const Optimizer* find_optimizer(const std::string& name);
const std::vector<const Optimizer*>& optimizers();

/// The mean x of the parameters p after each step since `from` (Polyak and Juditsky 1992), of any optimiser;
/// PyTorch's formula for averaged SGD: at step t, once t > from, x ← x + (p − x) / max(1, t − 1 − from).
/// Until then x is not touched; the two first steps set it to p.
/// @param from  steps before the average starts; may be infinite
void average_parameters(float* average, const float* params, std::size_t n, double step, double from);

/// Factor that brings a gradient of this norm down to `clip`; 1 where it is below or where clip is 0.
double clip_factor(double norm, double clip);

}  // namespace timernn
