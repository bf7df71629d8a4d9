// Each optimiser against its formula in double, ten steps; what lies outside of its range stays as it is.
#include <cmath>

#include "helpers.h"
#include "optim/optimizer.h"

namespace timernn::test {
namespace {

struct Case {
  const char* name;
  OptimizerNumbers numbers;
  /// One step of one parameter: p, g, the slots, t from 1.
  void (*step)(double& p, double g, double (&slot)[2], double rate, double t, const Case& c);
};

double root(double x) {
  return std::sqrt(x);
}

void sgd(double& p, double g, double (&)[2], double rate, double, const Case& c) {
  p -= rate * c.numbers.weight_decay * p + rate * g;
}
void momentum(double& p, double g, double (&s)[2], double rate, double, const Case& c) {
  s[0] = c.numbers.momentum * s[0] + g;
  p -= rate * c.numbers.weight_decay * p + rate * s[0];
}
void nesterov(double& p, double g, double (&s)[2], double rate, double, const Case& c) {
  s[0] = c.numbers.momentum * s[0] + g;
  p -= rate * (g + c.numbers.momentum * s[0]);
}
void adagrad(double& p, double g, double (&s)[2], double rate, double, const Case& c) {
  s[0] += g * g;
  p -= rate * g / (root(s[0]) + c.numbers.epsilon);
}
void rmsprop(double& p, double g, double (&s)[2], double rate, double, const Case& c) {
  s[0] = c.numbers.smoothing * s[0] + (1.0 - c.numbers.smoothing) * g * g;
  p -= rate * g / (root(s[0]) + c.numbers.epsilon);
}
void adam(double& p, double g, double (&s)[2], double rate, double t, const Case& c) {
  const OptimizerNumbers& n = c.numbers;
  p -= rate * n.weight_decay * p;
  s[0] = n.beta1 * s[0] + (1.0 - n.beta1) * g;
  s[1] = n.beta2 * s[1] + (1.0 - n.beta2) * g * g;
  const double m = s[0] / (1.0 - std::pow(n.beta1, t)), v = s[1] / (1.0 - std::pow(n.beta2, t));
  p -= rate * m / (root(v) + n.epsilon);
}
void asgd(double& p, double g, double (&)[2], double rate, double t, const Case& c) {
  const double eta = rate / std::pow(1.0 + c.numbers.lambda * rate * (t - 1.0), c.numbers.power);
  p -= eta * c.numbers.lambda * p + eta * g;
}

OptimizerNumbers numbers(std::initializer_list<std::pair<double OptimizerNumbers::*, double>> list) {
  OptimizerNumbers out;
  for (const auto& [member, value] : list) out.*member = value;
  return out;
}
using N = OptimizerNumbers;
const Case kCases[] = {
    {"sgd", numbers({{&N::weight_decay, 0.3}}), sgd},
    {"momentum", numbers({{&N::momentum, 0.9}, {&N::weight_decay, 0.1}}), momentum},
    {"nesterov", numbers({{&N::momentum, 0.8}}), nesterov},
    {"adagrad", numbers({{&N::epsilon, 1e-10}}), adagrad},
    {"rmsprop", numbers({{&N::smoothing, 0.99}, {&N::epsilon, 1e-8}}), rmsprop},
    {"adam", numbers({{&N::beta1, 0.9}, {&N::beta2, 0.999}, {&N::epsilon, 1e-8}}), adam},
    {"adamw", numbers({{&N::beta1, 0.8}, {&N::beta2, 0.99}, {&N::epsilon, 1e-6}, {&N::weight_decay, 0.2}}),
     adam},
    {"asgd", numbers({{&N::lambda, 1e-4}, {&N::power, 0.75}}), asgd},
    // A small ε shows where it stands only in gradients near zero. Beside those of up to 0.4 this one shows
    // in all: outside of the root, behind the correction of the bias.
    {"adagrad", numbers({{&N::epsilon, 0.05}}), adagrad},
    {"rmsprop", numbers({{&N::smoothing, 0.9}, {&N::epsilon, 0.05}}), rmsprop},
    {"adam", numbers({{&N::beta1, 0.9}, {&N::beta2, 0.999}, {&N::epsilon, 0.05}}), adam},
    {"adamw", numbers({{&N::beta1, 0.8}, {&N::beta2, 0.99}, {&N::epsilon, 0.05}, {&N::weight_decay, 0.2}}),
     adam},
};

double clipped(float g, double scale, double value) {
  return std::fmin(std::fmax(static_cast<double>(g) * scale, -value), value);
}

void run(const Case& c, std::size_t n, std::size_t shift) {
  const Optimizer& optimizer = *find_optimizer(c.name);
  Random random(n + shift);
  const std::vector<float> start = random.floats(n, 1.0), zeros(n);
  Guarded params(start, shift), first(zeros, shift), second(zeros, shift);
  std::vector<double> wanted = to_double(start), slots[2] = {to_double(zeros), to_double(zeros)};
  constexpr double kScale = 0.5, kValue = 0.4, kRate = 0.05;
  for (int t = 1; t <= 10; ++t) {
    const std::vector<float> grads = random.floats(n, 1.5);
    optimizer.update({params.data(),
                      grads.data(),
                      {first.data(), second.data()},
                      n,
                      kScale,
                      kValue,
                      kRate,
                      static_cast<double>(t),
                      c.numbers});
    for (std::size_t i = 0; i < n; ++i) {
      double slot[2] = {slots[0][i], slots[1][i]};
      c.step(wanted[i], clipped(grads[i], kScale, kValue), slot, kRate, t, c);
      slots[0][i] = slot[0];
      slots[1][i] = slot[1];
    }
  }
  CHECK(params.intact() && first.intact() && second.intact());
  // Ten steps of a few roundings each; AdaGrad and Adam divide by roots of sums that begin small.
  CHECK_LE(relative_error(params.values(), wanted), 2e-6);
  CHECK_LE(relative_error(first.values(), optimizer.slot_count() > 0 ? slots[0] : to_double(zeros)), 2e-6);
  CHECK_LE(relative_error(second.values(), optimizer.slot_count() > 1 ? slots[1] : to_double(zeros)), 2e-6);
}

TEST("ten steps of every optimiser against its formula in double, with both kinds of clipping") {
  for (const Case& c : kCases) {
    for (std::size_t n : {1, 7, 16, 64, 1003}) {
      for (std::size_t shift : {0, 3}) run(c, n, shift);
    }
  }
}

TEST("every optimiser of the registry is among them, and has its name") {
  for (const Optimizer* optimizer : optimizers()) {
    bool found = false;
    for (const Case& c : kCases) found = found || std::string(c.name) == optimizer->name;
    CHECK(found);
    CHECK(find_optimizer(optimizer->name) == optimizer);
    CHECK_LE(optimizer->slot_count(), 2u);
  }
  for (const Case& c : kCases) CHECK(find_optimizer(c.name) != nullptr);
}

// Ranges are cut by workers and chunks: where a range starts or ends must not show in the bits.
TEST("one pass over a range has the bits of passes over its parts") {
  for (const Case& c : kCases) {
    const std::size_t n = 250;
    Random random(3);
    const std::vector<float> grads = random.floats(n, 1.0), start = random.floats(n, 1.0);
    std::vector<float> whole = start, parts = start, w0(n), w1(n), p0(n), p1(n);
    const Optimizer& optimizer = *find_optimizer(c.name);
    const auto update = [&](std::vector<float>& p, std::vector<float>& s0, std::vector<float>& s1,
                            std::size_t from, std::size_t to) {
      optimizer.update({p.data() + from,
                        grads.data() + from,
                        {s0.data() + from, s1.data() + from},
                        to - from,
                        0.7f,
                        INFINITY,
                        0.1,
                        6.0,
                        c.numbers});
    };
    update(whole, w0, w1, 0, n);
    for (std::size_t from = 0; from < n; from += 48) update(parts, p0, p1, from, std::min(n, from + 48));
    CHECK(same_bits(whole, parts) && same_bits(w0, p0) && same_bits(w1, p1));
  }
}

TEST("a weight decay that is small beside 1 is not lost") {
  OptimizerNumbers numbers;
  numbers.weight_decay = 1e-5;
  constexpr std::size_t kCount = 1024;
  constexpr double kRate = 0.01;
  Random random(8);
  std::vector<float> p(kCount, 0.9f);
  std::vector<double> wanted = to_double(p);
  // 1 − 1e-7 is no float. The gradient's noise spreads the rounding of p, as it does in training.
  for (int t = 1; t <= 2000; ++t) {
    const std::vector<float> g = random.floats(kCount, 0.01);
    find_optimizer("sgd")->update({p.data(), g.data(), {}, kCount, 1.0f, INFINITY, kRate, 1.0 * t, numbers});
    for (std::size_t i = 0; i < kCount; ++i) {
      wanted[i] -= kRate * (1e-5 * wanted[i] + static_cast<double>(g[i]));
    }
  }
  double error = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) error += (static_cast<double>(p[i]) - wanted[i]) / kCount;
  CHECK_NEAR(error, 0.0, 0.05 * 2000 * kRate * 1e-5 * 0.9);
}

TEST("the average: left alone before it starts, then the parameters as they are, then their mean") {
  constexpr std::size_t kCount = 37;
  Random random(11);
  Guarded average(std::vector<float>(kCount, 7.0f), 3);
  std::vector<double> sum(kCount);
  for (int t = 1; t <= 12; ++t) {
    const std::vector<float> p = random.floats(kCount, 1.0);
    average_parameters(average.data(), p.data(), kCount, t, 4.0);
    average_parameters(average.data(), p.data(), kCount, t, INFINITY);
    const std::vector<float> got = average.values();
    if (t <= 4) CHECK_EQ(got[0], 7.0f);
    if (t == 5 || t == 6) CHECK(same_bits(got, p));
    // The step after the start is counted by the one behind it, as in PyTorch.
    if (t >= 6) {
      for (std::size_t i = 0; i < kCount; ++i) sum[i] += static_cast<double>(p[i]);
      std::vector<double> mean = sum;
      for (double& x : mean) x /= t - 5;
      CHECK_LE(relative_error(got, mean), 1e-6);
    }
  }
  CHECK(average.intact());
}

TEST("a range that is averaged in parts has the bits of the whole") {
  constexpr std::size_t kCount = 250;
  Random random(12);
  const std::vector<float> p = random.floats(kCount, 1.0);
  std::vector<float> whole = random.floats(kCount, 1.0), parts = whole;
  average_parameters(whole.data(), p.data(), kCount, 9.0, 2.0);
  for (std::size_t from = 0; from < kCount; from += 48) {
    average_parameters(parts.data() + from, p.data() + from, std::min(kCount - from, std::size_t{48}), 9.0,
                       2.0);
  }
  CHECK(same_bits(whole, parts));
}

}  // namespace
}  // namespace timernn::test
