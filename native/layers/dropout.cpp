// Eight units from each call of the generator; see dropout.h.
#include "dropout.h"

#include <algorithm>
#include <cmath>

#include "../math/kernels.h"
#include "../math/philox.h"

namespace timernn {

namespace {
constexpr std::size_t kUnits = 8;  // 16 bits each

// Seeds of initialisation, sampling and dropout are the same number; what they draw must not be.
constexpr std::uint64_t kDropoutKey = 0x9E3779B97F4A7C15u;

std::array<std::uint32_t, 4> draw(const MaskAddress& at, std::size_t step, std::size_t block) {
  // Places are below 2^8 (64 layers have two each), steps of a window below 2^24.
  const std::uint64_t stream =
      std::uint64_t{at.place} << 56 | static_cast<std::uint64_t>(step) << 32 | at.window;
  return philox(at.seed ^ kDropoutKey, stream, std::uint64_t{at.row} << 32 | block);
}

bool keeps(const std::array<std::uint32_t, 4>& r, std::size_t unit, DropoutRate rate) {
  const std::uint32_t bits = unit % 2 == 0 ? r[unit / 2] & 0xffffu : r[unit / 2] >> 16;
  return bits >= rate.threshold;
}
}  // namespace

bool Regularization::drops_weights() const {
  return std::any_of(weights.begin(), weights.end(), [](double w) { return !DropoutRate(w).none(); });
}

DropoutRate::DropoutRate(double rate)
    : threshold(std::min(65535u, static_cast<std::uint32_t>(std::lround(rate * 65536.0)))) {}

void dropout_mask(std::uint8_t* keep, const MaskAddress& at, DropoutRate rate, std::size_t step,
                  std::size_t first, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kUnits) {
    const auto r = draw(at, step, (first + i) / kUnits);
    const std::size_t count = std::min(kUnits, n - i);
    for (std::size_t u = 0; u < count; ++u) keep[i + u] = keeps(r, u, rate) ? 1 : 0;
  }
}

Dropout::Dropout(double rate, std::uint32_t place, std::size_t units, std::size_t rows, std::size_t steps,
                 bool locked)
    : rate_(rate), place_(place), units_(units), locked_(locked) {
  if (!none()) keep_.resize(rows * (locked ? 1 : steps) * units);
}

void Dropout::draw(const MaskAddress& at, std::size_t rows, std::size_t steps) {
  rows_ = rows;
  steps_ = steps;
  std::uint8_t* keep = keep_.data();
  for (std::size_t t = 0; t < (locked_ ? 1 : steps); ++t) {
    for (std::size_t r = 0; r < rows; ++r, keep += units_) {
      const MaskAddress row{at.seed, place_, at.window, at.row + static_cast<std::uint32_t>(r)};
      dropout_mask(keep, row, rate_, t, 0, units_);
    }
  }
}

const std::uint8_t* Dropout::keep(std::size_t t) const {
  return none() ? nullptr : keep_.data() + (locked_ ? 0 : t * rows_ * units_);
}

void Dropout::forward(float* out, const float* in) const {
  const std::size_t step = rows_ * units_;
  for (std::size_t t = 0; t < steps_; ++t) {
    kernels().dropout_forward(out + t * step, in + t * step, keep(t), scale(), step);
  }
}

bool dropout_keeps(const MaskAddress& at, DropoutRate rate, std::size_t unit) {
  return keeps(draw(at, 0, unit / kUnits), unit % kUnits, rate);
}

}  // namespace timernn
