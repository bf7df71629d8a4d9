// Every vector kernel of every instruction set against plain double loops, at odd lengths, between guards.
#include <algorithm>
#include <cmath>
#include <limits>

#include "helpers.h"
#include "isas.h"

namespace timernn::test {
namespace {

constexpr double kEps = 0x1.0p-24;  // half the spacing of floats at 1: the error of one rounding

double d(float x) {
  return static_cast<double>(x);
}

// Runs f(table, length, shift, random) over all tables, lengths and alignments.
template <typename F>
void everywhere(F&& f) {
  for (const Kernels* k : runnable_isas()) {
    for (std::size_t n : odd_lengths()) {
      for (std::size_t shift : {0, 1, 3}) {
        Random random(n * 4 + shift);
        f(*k, n, shift, random);
      }
    }
  }
}

TEST("maps: tail and guards; every lane has the value it has alone") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    const std::vector<float> x = random.floats(n, 4.0);
    for (auto map : {k.tanh_inplace, k.exp_inplace, k.sigmoid_inplace, k.relu_inplace}) {
      Guarded y(x, shift);
      map(y.data(), n);
      CHECK(y.intact());
      for (std::size_t i = 0; i < n; ++i) {
        float alone = x[i];
        map(&alone, 1);
        CHECK_EQ(y[i], alone);
      }
    }
  });
}

TEST("tanh_backward, add") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    const std::vector<float> a = random.floats(n, 2.0), b = random.floats(n, 2.0), h = random.floats(n, 1.0);
    Guarded dt(a, shift), sum(a, shift);
    k.tanh_backward(dt.data(), b.data(), h.data(), n);
    k.add(sum.data(), b.data(), n);
    CHECK(dt.intact() && sum.intact());
    for (std::size_t i = 0; i < n; ++i) {
      // Four roundings; 1 − h² is at most 1 and may cancel, so the error is measured against the sum.
      CHECK_NEAR(dt[i], (d(a[i]) + d(b[i])) * (1.0 - d(h[i]) * d(h[i])),
                 4.0 * kEps * (std::fabs(d(a[i])) + std::fabs(d(b[i]))));
      CHECK_EQ(sum[i], a[i] + b[i]);
    }
  });
}

TEST("column_sums, overwriting and accumulating") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    for (std::size_t m : {0, 1, 6}) {
      const std::vector<float> x = random.floats(m * n, 1.0), before = random.floats(n, 1.0);
      Guarded fresh(n, shift), more(before, shift);
      k.column_sums(fresh.data(), x.data(), m, n, false);
      k.column_sums(more.data(), x.data(), m, n, true);
      CHECK(fresh.intact() && more.intact());
      for (std::size_t c = 0; c < n; ++c) {
        double sum = 0.0;
        for (std::size_t r = 0; r < m; ++r) sum += d(x[r * n + c]);
        CHECK_NEAR(fresh[c], sum, 8.0 * 8.0 * kEps);
        CHECK_NEAR(more[c], sum + d(before[c]), 8.0 * 8.0 * kEps);
      }
    }
  });
}

TEST("sum_and_square: in order of the parts to the bit, in place, and the square of the result") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    for (std::size_t count : {1, 2, 5}) {
      std::vector<std::vector<float>> parts;
      for (std::size_t s = 0; s < count; ++s) parts.push_back(random.floats(n, 1.0));
      std::vector<float> wanted = parts[0];
      for (std::size_t s = 1; s < count; ++s) {
        for (std::size_t i = 0; i < n; ++i) wanted[i] += parts[s][i];
      }
      double square = 0.0;
      for (float w : wanted) square += d(w) * d(w);
      Guarded out(parts[0], shift);
      std::vector<const float*> at = {out.data()};
      for (std::size_t s = 1; s < count; ++s) at.push_back(parts[s].data());
      const double got = k.sum_and_square(out.data(), at.data(), count, n);
      CHECK(out.intact());
      CHECK(same_bits(out.values(), wanted));
      // At most 64 squares are added in float before they go into the double.
      CHECK_NEAR(got, square, 65.0 * kEps * square);
    }
  });
}

TEST("gemv and gemv_t accumulate, respect the leading dimension, and stay inside") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    if (n > 300) return;
    for (std::size_t inner : {0, 1, 3, 4, 5, 17, 34, 67}) {
      const std::size_t ld = n + 3, ld_t = inner + 2;
      const std::vector<float> x = random.floats(inner, 1.0), y0 = random.floats(n, 1.0);
      // Gaps of NaN between the rows would show in the result if they were read as weights.
      std::vector<float> W(inner * ld, NAN), Wt(n * ld_t, NAN);
      for (std::size_t r = 0; r < inner; ++r) {
        for (std::size_t c = 0; c < n; ++c)
          W[r * ld + c] = Wt[c * ld_t + r] = static_cast<float>(random.uniform(-1.0, 1.0));
      }
      Guarded y(y0, shift), yt(y0, shift);
      k.gemv(y.data(), x.data(), W.data(), inner, n, ld);
      k.gemv_t(yt.data(), x.data(), Wt.data(), n, inner, ld_t);
      CHECK(y.intact() && yt.intact());
      for (std::size_t c = 0; c < n; ++c) {
        double sum = d(y0[c]), size = std::fabs(sum);
        for (std::size_t r = 0; r < inner; ++r) {
          sum += d(x[r]) * d(W[r * ld + c]);
          size += std::fabs(d(x[r]) * d(W[r * ld + c]));
        }
        // The bound of any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
        const double bound = static_cast<double>(inner + 2) * kEps * size;
        CHECK_NEAR(y[c], sum, bound);
        CHECK_NEAR(yt[c], sum, bound);
      }
    }
  });
}

struct Row {
  std::vector<double> p;
  double loss, top;
};
Row softmax_in_double(const std::vector<float>& z, std::size_t target) {
  Row row{{}, 0.0, -INFINITY};
  // Not std::fmax: GCC 12 for 64-bit Arm stops with an internal error on it (in vect_transform_reduction).
  for (float v : z) row.top = std::max(row.top, d(v));
  double sum = 0.0;
  for (float v : z) sum += std::exp(d(v) - row.top);
  for (float v : z) row.p.push_back(std::exp(d(v) - row.top) / sum);
  row.loss = std::log(sum) + row.top - d(z[target]);
  return row;
}
// z − top is rounded once (an error of |z − top|·eps in the exponent), exp is good to 2 ulp = 4 eps, and
// three more roundings and the sum follow. 1e-37 is where exp is clamped.
double softmax_bound(double p, double z, double top) {
  return p * (top - z + 12.0) * kEps + 1e-37;
}

TEST("softmax and softmax_cross_entropy, with and without bias and gradient") {
  everywhere([](const Kernels& k, std::size_t n, std::size_t shift, Random& random) {
    if (n == 0) return;
    for (double width : {0.5, 8.0, 200.0}) {
      const std::vector<float> x = random.floats(n, width), bias = random.floats(n, width);
      const std::size_t target = random.below(n);
      for (bool biased : {false, true}) {
        std::vector<float> z = x;
        for (std::size_t i = 0; biased && i < n; ++i) z[i] += bias[i];
        const Row row = softmax_in_double(z, target);
        const float* b = biased ? bias.data() : nullptr;
        Guarded scratch(x, shift), gradient(x, shift), probs(z, shift);
        const float loss = k.softmax_cross_entropy(scratch.data(), b, n, target, 0.0f, false);
        CHECK_EQ(k.softmax_cross_entropy(gradient.data(), b, n, target, 0.25f, true), loss);
        k.softmax(probs.data(), n);
        CHECK(scratch.intact() && gradient.intact() && probs.intact());
        // log Σ: the relative error of the sum, then one rounding of the loss.
        CHECK_NEAR(loss, row.loss, 12.0 * kEps + 2.0 * kEps * row.loss + 12.0 * kEps * width);
        for (std::size_t i = 0; i < n; ++i) {
          const double bound = softmax_bound(row.p[i], d(z[i]), row.top);
          CHECK_NEAR(probs[i], row.p[i], bound);
          CHECK_NEAR(gradient[i], 0.25 * (row.p[i] - (i == target ? 1.0 : 0.0)), 0.25 * (bound + 2.0 * kEps));
        }
      }
    }
  });
}

// A softmax whose columns come in two calls; `jump` lifts the second ones far above the first.
void check_softmax_chunks(const Kernels& k, std::size_t rows, std::size_t n, double width, float jump) {
  Random random(rows * 1000 + n);
  const std::size_t cut = std::min(n, k.panel);  // a whole panel, then the rest
  std::vector<std::vector<float>> z;
  for (std::size_t r = 0; r < rows; ++r) {
    z.push_back(random.floats(n, width));
    for (float& v : z.back()) v -= static_cast<float>(3.0 * width);  // the padding would win if it counted
    for (std::size_t v = cut; v < n && r % 2 == 0; ++v) z[r][v] += jump;
  }
  const auto fill = [&](std::size_t from, std::size_t to) {
    std::vector<float> x((to - from + k.panel - 1) / k.panel * rows *
                         k.panel);  // packed weights pad with zeros
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t v = from; v < to; ++v) {
        x[((v - from) / k.panel * rows + r) * k.panel + (v - from) % k.panel] = z[r][v];
      }
    }
    return x;
  };
  Guarded first(fill(0, cut), 0), second(fill(cut, n), 0), reference(rows, 0), sums(rows * k.panel, 0);
  Guarded factor(std::vector<float>(rows, NAN), 0);
  CHECK(!k.softmax_chunk({first.data(), rows, cut, reference.data(), sums.data(), factor.data(), true}));
  std::vector<float> shrunk(rows, 1.0f);
  if (cut < n) {
    const bool moved =
        k.softmax_chunk({second.data(), rows, n - cut, reference.data(), sums.data(), factor.data(), false});
    CHECK_EQ(moved, jump > 100.0f);
    for (std::size_t r = 0; r < rows; ++r) shrunk[r] = factor[r];
  }
  CHECK(first.intact() && second.intact() && reference.intact() && sums.intact() && factor.intact());
  const double error = (static_cast<double>(n / k.panel) + 4.0) * kEps;  // each lane adds one float a panel
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0.0;
    for (std::size_t l = 0; l < k.panel; ++l) sum += d(sums[r * k.panel + l]);
    const Row row = softmax_in_double(z[r], 0);
    for (std::size_t v = 0; v < n; ++v) {
      const std::size_t c = v < cut ? v : v - cut;
      const float e = (v < cut ? first : second)[(c / k.panel * rows + r) * k.panel + c % k.panel];
      const double p = d(e) * (v < cut ? d(shrunk[r]) : 1.0) / sum;
      CHECK_NEAR(p, row.p[v], softmax_bound(row.p[v], d(z[r][v]), row.top) + error * row.p[v] + 1e-30);
    }
  }
}

TEST("softmax_chunk: odd rows and widths, in one call and two; a late maximum; the padding does not count") {
  for (const Kernels* k : runnable_isas()) {
    for (std::size_t rows : {1, 2, 13}) {
      for (std::size_t n : {1, 2, 7, 8, 9, 16, 31, 32, 33, 64, 100, 1001}) {
        check_softmax_chunks(*k, rows, n, 0.5, 0.0f);
        check_softmax_chunks(*k, rows, n, 5.0, 0.0f);
        check_softmax_chunks(*k, rows, n, 0.5, 300.0f);
      }
    }
  }
}

TEST("softmax_chunk: the padding does not count in a row that is all but the least float") {
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> x(2 * k->panel), sums(k->panel);
    float reference = 0.0f, factor = 0.0f;
    const std::size_t n = k->panel + 1;
    std::fill(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n), -1e35f);
    k->softmax_chunk({x.data(), 1, n, &reference, sums.data(), &factor, true});
    double sum = 0.0;
    for (float s : sums) sum += d(s);
    CHECK_EQ(reference, -1e35f);
    CHECK_NEAR(sum, static_cast<double>(n), 1e-6);
  }
}

TEST("softmax: extreme rows stay finite; NaN and infinity in a row show in its loss") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const Kernels* k : runnable_isas()) {
    for (std::size_t n : {3, 40, 600}) {
      std::vector<float> x(n, -3e38f);
      CHECK_NEAR(k->softmax_cross_entropy(x.data(), nullptr, n, 1, 1.0f, true),
                 std::log(static_cast<double>(n)), 1e-6);
      CHECK_NEAR(x[0], 1.0 / static_cast<double>(n), 1e-7);
      x.assign(n, -inf);
      k->softmax(x.data(), n);
      CHECK(all_finite(x));
      x.assign(n, 0.0f);
      x[n - 1] = 30000.0f;
      CHECK_EQ(k->softmax_cross_entropy(x.data(), nullptr, n, 0, 1.0f, false), 30000.0f);
      for (float bad : {nan, inf}) {
        for (std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
          x.assign(n, 0.0f);
          x[at] = bad;
          CHECK(!std::isfinite(k->softmax_cross_entropy(x.data(), nullptr, n, 2, 1.0f, true)));
        }
      }
    }
  }
}

TEST("a confident row keeps a small, exact loss") {
  for (const Kernels* k : runnable_isas()) {
    std::vector<float> x = {100.0f, 88.0f, 80.0f};
    const double expected = std::log1p(std::exp(-12.0) + std::exp(-20.0));
    CHECK_NEAR(k->softmax_cross_entropy(x.data(), nullptr, 3, 0, 1.0f, false), expected, 1e-6 * expected);
  }
}

TEST("fma_probe counts what it does") {
  for (const Kernels* k : runnable_isas()) {
    float sink = 0.0f;
    const double once = k->fma_probe(1, &sink);
    CHECK_GT(once, 0.0);
    CHECK_EQ(k->fma_probe(1000, &sink), 1000.0 * once);
    CHECK(std::isfinite(sink));
  }
}

}  // namespace
}  // namespace timernn::test
