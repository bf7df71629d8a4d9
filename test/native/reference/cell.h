// The cells once more, in double precision and as plain as their equations: what the float kernels are held
// against. Every cell of the registry needs one, in a file of its own and with a line in registry.cpp.
#pragma once

#include <cstddef>
#include <string>

namespace timernn::test {

struct ReferenceCell {
  const char* name;
  /// One step of one row. `state` (states·H, h first) holds the state before the step, then the one after it.
  /// x: D; params: the cell's tensors in table order.
  void (*step)(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H);
};

/// The reference of that cell, or null.
const ReferenceCell* find_reference(const std::string& name);

}  // namespace timernn::test
