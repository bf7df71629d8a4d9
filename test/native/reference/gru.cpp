// r = σ, z = σ, n = tanh(…), h' = (1 − z)·n + z·h, in double; the reset gate acts on the recurrent product of
// n or on what goes into it.
#include <cmath>
#include <vector>

#include "reference/cell.h"

namespace timernn::test {

namespace {
double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

double product(const double* x, const double* W, std::size_t n, std::size_t columns, std::size_t column) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * W[i * columns + column];
  return sum;
}

void step(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H,
          bool reset_after) {
  const double *Wx = params[0], *Wh = params[1], *b = params[2];
  const std::vector<double> h(state, state + H);
  const auto input = [&](std::size_t column) { return product(x, Wx, D, 3 * H, column) + b[column]; };
  const auto gate = [&](std::size_t column) {
    return sigmoid(input(column) + product(h.data(), Wh, H, 3 * H, column));
  };
  std::vector<double> reset(h);
  for (std::size_t j = 0; j < H; ++j) reset[j] *= gate(j);
  for (std::size_t j = 0; j < H; ++j) {
    const std::size_t column = 2 * H + j;
    const double recurrent = reset_after ? gate(j) * (product(h.data(), Wh, H, 3 * H, column) + params[3][j])
                                         : product(reset.data(), Wh, H, 3 * H, column);
    const double n = std::tanh(input(column) + recurrent), z = gate(H + j);
    state[j] = (1.0 - z) * n + z * h[j];
  }
}

void after(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  step(state, x, params, D, H, true);
}
void before(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  step(state, x, params, D, H, false);
}
}  // namespace

extern const ReferenceCell reference_gru, reference_gru_reset_before;
const ReferenceCell reference_gru = {"gru", after};
const ReferenceCell reference_gru_reset_before = {"gru-reset-before", before};

}  // namespace timernn::test
