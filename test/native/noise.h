// What suites with noise share: a mask as the library draws it, and all that training may add to a model at
// once.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/dropout.h"

namespace timernn::test {

inline std::vector<std::uint8_t> mask(const MaskAddress& at, double rate, std::size_t step, std::size_t n) {
  std::vector<std::uint8_t> keep(n);
  dropout_mask(keep.data(), at, DropoutRate(rate), step, 0, n);
  return keep;
}

/// But for the dropping of weights, which a run does and a replica does not.
inline Regularization everything(bool locked) {
  Regularization r;
  r.seed = 11;
  r.input = 0.3;
  r.words = 0.2;
  r.layers = {0.25, 0.4};
  r.locked = locked;
  r.activation = 2.0;
  r.temporal = 1.5;
  return r;
}

}  // namespace timernn::test
