// h = x·W: a layer without a state.
#include "reference/cell.h"

namespace timernn::test {

namespace {
void step(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  for (std::size_t j = 0; j < H; ++j) {
    state[j] = 0.0;
    for (std::size_t i = 0; i < D; ++i) state[j] += x[i] * params[0][i * H + j];
  }
}
}  // namespace

extern const ReferenceCell reference_projection;
const ReferenceCell reference_projection = {"projection", step};

}  // namespace timernn::test
