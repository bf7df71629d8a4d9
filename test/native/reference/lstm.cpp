// i, f, o = σ, g = tanh of h·Wh + x·Wx + b;  c' = f·c + i·g;  h' = o·tanh(c'), in double.
#include <cmath>
#include <vector>

#include "reference/cell.h"

namespace timernn::test {

namespace {
double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

void step(double* state, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  const double *Wx = params[0], *Wh = params[1], *b = params[2];
  const std::vector<double> h(state, state + H);
  double* c = state + H;
  for (std::size_t j = 0; j < H; ++j) {
    double a[4];
    for (std::size_t gate = 0; gate < 4; ++gate) {
      const std::size_t column = gate * H + j;
      a[gate] = b[column];
      for (std::size_t i = 0; i < D; ++i) a[gate] += x[i] * Wx[i * 4 * H + column];
      for (std::size_t i = 0; i < H; ++i) a[gate] += h[i] * Wh[i * 4 * H + column];
    }
    c[j] = sigmoid(a[1]) * c[j] + sigmoid(a[0]) * std::tanh(a[2]);
    state[j] = sigmoid(a[3]) * std::tanh(c[j]);
  }
}
}  // namespace

extern const ReferenceCell reference_lstm;
const ReferenceCell reference_lstm = {"lstm", step};

}  // namespace timernn::test
