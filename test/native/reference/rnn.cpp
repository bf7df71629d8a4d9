// h' = tanh(h·Wh + x·Wx + b), in double.
#include <cmath>
#include <vector>

#include "reference/cell.h"

namespace timernn::test {

namespace {
void step(double* h, const double* x, const double* const* params, std::size_t D, std::size_t H) {
  const double *Wx = params[0], *Wh = params[1], *b = params[2];
  const std::vector<double> before(h, h + H);
  for (std::size_t j = 0; j < H; ++j) {
    double z = b[j];
    for (std::size_t i = 0; i < D; ++i) z += x[i] * Wx[i * H + j];
    for (std::size_t i = 0; i < H; ++i) z += before[i] * Wh[i * H + j];
    h[j] = std::tanh(z);
  }
}
}  // namespace

extern const ReferenceCell reference_rnn;
const ReferenceCell reference_rnn = {"rnn", step};

}  // namespace timernn::test
