// The average of the parameters; the formula stands in optimizer.h.
#include <algorithm>

#include "../math/kernels.h"
#include "optimizer.h"

namespace timernn {

void average_parameters(float* average, const float* params, std::size_t n, double step, double from) {
  if (!(step > from)) return;
  kernels().average(average, params, static_cast<float>(1.0 / std::max(1.0, step - 1.0 - from)), n);
}

}  // namespace timernn
