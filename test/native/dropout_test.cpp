// Dropout masks: the share that they keep, what they depend on, and parts of them.
#include <cmath>

#include "helpers.h"
#include "noise.h"

namespace timernn::test {
namespace {

double share(const std::vector<std::uint8_t>& keep) {
  double sum = 0.0;
  for (std::uint8_t k : keep) sum += k;
  return sum / static_cast<double>(keep.size());
}

TEST("masks: the share that is kept, and the scale that makes up for it") {
  for (double rate : {0.1, 0.25, 0.5, 0.65, 0.9}) {
    const std::size_t n = 200'000;
    // Four standard deviations of a binomial share.
    CHECK_NEAR(share(mask({1, kLayer, 2, 3}, rate, 4, n)), 1.0 - rate,
               4.0 * std::sqrt(rate * (1.0 - rate) / static_cast<double>(n)));
    CHECK_NEAR(static_cast<double>(DropoutRate(rate).scale()), 1.0 / (1.0 - rate), 2e-4 / (1.0 - rate));
  }
  CHECK(DropoutRate(0.0).none());
  CHECK_EQ(DropoutRate(0.5).scale(), 2.0f);
  CHECK_EQ(share(mask({1, kLayer, 2, 3}, 0.0, 4, 1000)), 1.0);
}

TEST("masks: another seed, place, window, row or step is another mask; half of it alike") {
  const MaskAddress at{1, kLayer, 2, 3};
  const std::size_t n = 20'000;
  const auto one = mask(at, 0.5, 4, n);
  CHECK(one == mask(at, 0.5, 4, n));
  for (const auto& other :
       {mask({9, kLayer, 2, 3}, 0.5, 4, n), mask({1, kLayer + 2, 2, 3}, 0.5, 4, n),
        mask({1, kLayer, 3, 3}, 0.5, 4, n), mask({1, kLayer, 2, 4}, 0.5, 4, n), mask(at, 0.5, 5, n)}) {
    std::size_t same = 0;
    for (std::size_t i = 0; i < n; ++i) same += one[i] == other[i] ? 1 : 0;
    CHECK_NEAR(static_cast<double>(same) / static_cast<double>(n), 0.5, 4.0 * 0.5 / std::sqrt(n));
  }
}

TEST("masks: a part of a mask is the mask's part, and one unit is its own") {
  const MaskAddress at{5, kWeight, 7, 0};
  const DropoutRate rate(0.3);
  const auto whole = mask(at, 0.3, 0, 1000);
  std::vector<std::uint8_t> part(101);
  dropout_mask(part.data(), at, rate, 0, 48, part.size());
  for (std::size_t i = 0; i < part.size(); ++i) CHECK_EQ(int{part[i]}, int{whole[48 + i]});
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK_EQ(dropout_keeps(at, rate, i), whole[i] != 0);
}

TEST("masks of neighbouring steps and rows do not meet, however long a window is") {
  const auto at = [](std::uint32_t row, std::size_t step) {
    return mask({1, kLayer, 0, row}, 0.5, step, 256);
  };
  CHECK(at(0, (1u << 20) + 3) != at(1, 3));
  CHECK(at(1u << 22, 3) != at(0, 3));
}

}  // namespace
}  // namespace timernn::test
