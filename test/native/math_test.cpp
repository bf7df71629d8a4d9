// tanh, exp and sigmoid over the whole float range, for every instruction set of this CPU, measured in ulp
// against double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>

#include "helpers.h"
#include "isas.h"

namespace timernn::test {
namespace {

// The bounds that native/math/kernels.h states.
constexpr double kExpUlp = 1.1, kTanhUlp = 1.4, kSigmoidUlp = 2.5;

float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// |got − exact| in units of the spacing of floats at `exact`.
double ulp_error(float got, double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(static_cast<double>(got) - exact) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

// Every 997th bit pattern: all signs, exponents and NaNs, about 4,200 mantissas of each. 997 is prime, so the
// low bits take every value. Then every float near the places where the kernels change their formula.
const std::vector<float>& sweep() {
  static const std::vector<float> all = [] {
    std::vector<float> x;
    for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 997) {
      x.push_back(from_bits(static_cast<std::uint32_t>(bits)));
    }
    for (float edge : {0.625f, 10.0f, 9.0f, 88.37f, 87.33f, 0.34657359f, 1.0f, 0.0f}) {
      std::uint32_t bits;
      std::memcpy(&bits, &edge, sizeof bits);
      for (std::uint32_t i = 0; i < 4000; ++i) {
        x.push_back(from_bits(bits < 2000 ? i : bits + i - 2000));
        x.push_back(-x.back());
      }
    }
    return x;
  }();
  return all;
}

struct Worst {
  double ulp = 0.0;
  float at = 0.0f;
  void see(double error, float x) {
    if (!(error <= ulp)) ulp = error, at = x;
  }
};

TEST("exp: within its stated error on [-87, 88], clamped beyond, NaN stays NaN") {
  const std::vector<float>& x = sweep();
  std::vector<double> exact(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) exact[i] = std::exp(static_cast<double>(x[i]));
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> y = x;
    k->exp_inplace(y.data(), y.size());
    Worst inside;
    std::size_t lost_nans = 0, off = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        lost_nans += std::isnan(y[i]) ? 0 : 1;
      } else if (x[i] >= -87.0f && x[i] <= 88.0f) {
        inside.see(ulp_error(y[i], exact[i]), x[i]);
      } else if (x[i] < 0.0f) {
        off += y[i] > 0.0f && y[i] < 1.7e-38f ? 0 : 1;  // exp(−87) = 1.64e-38; never zero
      } else {
        off += y[i] > 1.6e38f && std::isfinite(y[i]) ? 0 : 1;  // exp(88) = 1.65e38; never infinite
      }
    }
    std::printf("     %-8s exp:  %.3f ulp at %.9g\n", k->isa, inside.ulp, static_cast<double>(inside.at));
    CHECK_LE(inside.ulp, kExpUlp);
    CHECK_EQ(lost_nans, std::size_t{0});
    CHECK_EQ(off, std::size_t{0});
  }
}

TEST("tanh: within its stated error everywhere, odd, at most 1, NaN stays NaN") {
  const std::vector<float>& x = sweep();
  std::vector<double> exact(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) exact[i] = std::tanh(static_cast<double>(x[i]));
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> y = x, mirrored(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) mirrored[i] = -x[i];
    k->tanh_inplace(y.data(), y.size());
    k->tanh_inplace(mirrored.data(), mirrored.size());
    Worst worst;
    std::size_t lost_nans = 0, beyond = 0, uneven = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        lost_nans += std::isnan(y[i]) ? 0 : 1;
        continue;
      }
      worst.see(ulp_error(y[i], exact[i]), x[i]);
      beyond += std::fabs(y[i]) <= 1.0f ? 0 : 1;
      uneven += mirrored[i] == -y[i] && std::signbit(y[i]) == std::signbit(x[i]) ? 0 : 1;
    }
    std::printf("     %-8s tanh: %.3f ulp at %.9g\n", k->isa, worst.ulp, static_cast<double>(worst.at));
    CHECK_LE(worst.ulp, kTanhUlp);
    CHECK_EQ(lost_nans, std::size_t{0});
    CHECK_EQ(beyond, std::size_t{0});
    CHECK_EQ(uneven, std::size_t{0});
  }
}

TEST("sigmoid: within its stated error on [-87, inf), tiny and positive below, NaN stays NaN") {
  const std::vector<float>& x = sweep();
  std::vector<double> exact(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) exact[i] = 1.0 / (1.0 + std::exp(-static_cast<double>(x[i])));
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> y = x;
    k->sigmoid_inplace(y.data(), y.size());
    Worst worst;
    std::size_t lost_nans = 0, off = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        lost_nans += std::isnan(y[i]) ? 0 : 1;
        continue;
      }
      off += y[i] > 1.6e-38f && y[i] <= 1.0f && (x[i] < 17.4f || y[i] == 1.0f) ? 0 : 1;
      if (x[i] >= -87.0f) {
        worst.see(ulp_error(y[i], exact[i]), x[i]);
      } else {
        off += y[i] < 1.7e-38f ? 0 : 1;
      }
    }
    std::printf("     %-8s sigmoid: %.3f ulp at %.9g\n", k->isa, worst.ulp, static_cast<double>(worst.at));
    CHECK_LE(worst.ulp, kSigmoidUlp);
    CHECK_EQ(lost_nans, std::size_t{0});
    CHECK_EQ(off, std::size_t{0});
  }
}

TEST("special values: zeros keep their sign, denormals pass, infinities saturate") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const float tiny = std::numeric_limits<float>::denorm_min(), largest = std::numeric_limits<float>::max();
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> t = {0.0f, -0.0f, tiny, -tiny, inf, -inf, largest, -largest};
    k->tanh_inplace(t.data(), t.size());
    CHECK(t[0] == 0.0f && !std::signbit(t[0]));
    CHECK(t[1] == 0.0f && std::signbit(t[1]));
    CHECK_EQ(t[2], tiny);
    CHECK_EQ(t[3], -tiny);
    for (std::size_t i = 4; i < 8; ++i) CHECK_EQ(t[i], i % 2 == 0 ? 1.0f : -1.0f);
    std::vector<float> e = {0.0f, -0.0f, tiny, -tiny, inf, -inf, 88.37f, -87.33f};
    k->exp_inplace(e.data(), e.size());
    for (std::size_t i = 0; i < 4; ++i) CHECK_EQ(e[i], 1.0f);
    CHECK_EQ(e[4], e[6]);
    CHECK_EQ(e[5], e[7]);
  }
}

TEST("the instruction sets agree with each other") {
  const std::vector<const Kernels*> tables = runnable_isas();
  std::vector<float> first_exp, first_tanh;
  for (const Kernels* k : tables) {
    Random random(5);
    std::vector<float> e = random.floats(100000, 80.0), t = e;
    k->exp_inplace(e.data(), e.size());
    k->tanh_inplace(t.data(), t.size());
    if (k == tables.front()) first_exp = e, first_tanh = t;
    double apart_exp = 0.0, apart_tanh = 0.0;
    for (std::size_t i = 0; i < e.size(); ++i) {
      apart_exp = std::max(apart_exp, ulp_error(e[i], static_cast<double>(first_exp[i])));
      apart_tanh = std::max(apart_tanh, ulp_error(t[i], static_cast<double>(first_tanh[i])));
    }
    CHECK_LE(apart_exp, 2.0 * kExpUlp);
    CHECK_LE(apart_tanh, 2.0 * kTanhUlp);
  }
}

}  // namespace
}  // namespace timernn::test
