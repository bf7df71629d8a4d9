// h' = f(h·Wh + x·Wx + b) with f = tanh or relu, in double.
#include <cmath>
#include <vector>

#include "reference/cell.h"

namespace timernn::test {

namespace {
double relu(double x) {
  return x > 0.0 ? x : 0.0;
}

template <double (*f)(double)>
void step(double* h, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  const double *Wx = params[0], *Wh = params[1], *b = params[2];
  const std::vector<double> before(h, h + H);
  for (std::size_t j = 0; j < H; ++j) {
    double z = b[j];
    for (std::size_t i = 0; i < D; ++i) z += x[i] * Wx[i * H + j];
    for (std::size_t i = 0; i < H; ++i) z += before[i] * Wh[i * H + j];
    h[j] = f(z);
  }
}
}  // namespace

extern const ReferenceCell reference_rnn, reference_rnn_relu;
const ReferenceCell reference_rnn = {"rnn", step<std::tanh>};
const ReferenceCell reference_rnn_relu = {"rnn-relu", step<relu>};

}  // namespace timernn::test
