// Philox against its published vectors, the numbers made from it, and the initialisation of tensors.
#include <algorithm>
#include <cstdio>

#include "helpers.h"

namespace timernn::test {
namespace {

using Words = std::array<std::uint32_t, 4>;

std::uint64_t pair(std::uint32_t low, std::uint32_t high) {
  return std::uint64_t{high} << 32 | low;
}

TEST("Philox4x32-10: the known answers of Random123") {
  struct Vector {
    Words counter;
    std::uint32_t key[2];
    Words answer;
  };
  const Vector vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Vector& v : vectors) {
    const Words got =
        philox(pair(v.key[0], v.key[1]), pair(v.counter[2], v.counter[3]), pair(v.counter[0], v.counter[1]));
    for (std::size_t i = 0; i < 4; ++i) CHECK_EQ(got[i], v.answer[i]);
  }
}

TEST("uniform01: in [0, 1), mean and variance within five standard errors, streams and seeds differ") {
  constexpr std::size_t n = 200000;
  double sum = 0.0, square = 0.0, low = 1.0, high = 0.0;
  std::size_t equal_streams = 0, equal_seeds = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double u = uniform01(1, 2, i);
    sum += u;
    square += u * u;
    low = std::min(low, u);
    high = std::max(high, u);
    equal_streams += u == uniform01(1, 3, i) ? 1 : 0;
    equal_seeds += u == uniform01(2, 2, i) ? 1 : 0;
  }
  CHECK(low >= 0.0 && low < 1e-3);
  CHECK(high < 1.0 && high > 0.999);
  CHECK_NEAR(sum / n, 0.5, 5.0 * std::sqrt(1.0 / 12.0 / n));
  CHECK_NEAR(square / n, 1.0 / 3.0, 5.0 * std::sqrt(4.0 / 45.0 / n));
  CHECK_EQ(equal_streams + equal_seeds, std::size_t{0});
}

TEST("normal: finite, mean 0, variance 1") {
  constexpr std::size_t n = 200000;
  double sum = 0.0, square = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double z = normal(3, 4, i);
    sum += z;
    square += z * z;
  }
  CHECK_NEAR(sum / n, 0.0, 5.0 / std::sqrt(n));
  CHECK_NEAR(square / n, 1.0, 5.0 * std::sqrt(2.0 / n));
}

TEST("orthogonal: rows and columns are orthonormal, to float precision") {
  for (std::size_t n : {1, 2, 7, 33, 128}) {
    const TensorInfo info{"Wh", {n, n}, {InitKind::orthogonal}};
    std::vector<float> W(n * n);
    initialise_tensor(W.data(), info, 11, 3);
    double worst = 0.0;
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; b < n; ++b) {
        double rows = 0.0, columns = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
          rows += static_cast<double>(W[a * n + i]) * static_cast<double>(W[b * n + i]);
          columns += static_cast<double>(W[i * n + a]) * static_cast<double>(W[i * n + b]);
        }
        const double wanted = a == b ? 1.0 : 0.0;
        worst = std::max({worst, std::fabs(rows - wanted), std::fabs(columns - wanted)});
      }
    }
    CHECK_LE(worst, 5e-7);  // entries are rounded to float at the end
  }
}

TEST("initialise: deterministic, different for another seed and another tensor, within its bounds") {
  const Model model(make_spec("rnn", 40, 12, {8, 8}));
  const std::vector<float> a = model.initialised(1), again = model.initialised(1),
                           other = model.initialised(2);
  CHECK(same_bits(a, again));
  CHECK(!same_bits(a, other));
  for (std::size_t i = 0; i < model.table.size(); ++i) {
    const TensorInfo& info = model.table[i];
    const auto begin = a.begin() + static_cast<std::ptrdiff_t>(model.offsets[i]);
    const auto end = begin + static_cast<std::ptrdiff_t>(info.length());
    const float largest = std::max(*std::max_element(begin, end), -*std::min_element(begin, end));
    if (info.init.kind == InitKind::zeros) CHECK_EQ(largest, 0.0f);
    if (info.init.kind == InitKind::uniform)
      CHECK(largest <= info.init.bound && largest > 0.8f * info.init.bound);
  }
  // Layers 0 and 1 have Wh of one shape: their numbers come from different streams.
  const float *first = &a[model.offsets[2]], *second = &a[model.offsets[5]];
  CHECK_EQ(model.table[2].name, std::string("layers.0.Wh"));
  CHECK_EQ(model.table[5].name, std::string("layers.1.Wh"));
  CHECK(!std::equal(first, first + 64, second));
}

}  // namespace
}  // namespace timernn::test
