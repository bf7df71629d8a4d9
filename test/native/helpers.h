// What several suites need: reproducible random numbers, models with an arena, comparisons, guarded arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "math/philox.h"
#include "model/spec.h"

namespace timernn::test {

/// Numbers that depend on the seed alone, not on the standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}
  double uniform(double low, double high) { return low + (high - low) * uniform01(seed_, 77, next_++); }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(uniform(0.0, static_cast<double>(n))); }
  std::vector<float> floats(std::size_t n, double bound) {
    std::vector<float> out(n);
    for (float& x : out) x = static_cast<float>(uniform(-bound, bound));
    return out;
  }
  std::vector<std::uint32_t> tokens(std::size_t n, std::size_t V) {
    std::vector<std::uint32_t> out(n);
    for (std::uint32_t& x : out) x = static_cast<std::uint32_t>(below(V));
    return out;
  }

 private:
  std::uint64_t seed_, next_ = 0;
};

/// Random models of each shape that a gradient check takes: ten, or what TIMERNN_TEST_SEEDS says.
inline std::uint64_t seeds() {
  const char* wanted = std::getenv("TIMERNN_TEST_SEEDS");
  return wanted == nullptr ? 10 : std::stoull(wanted);
}

inline std::vector<double> to_double(const std::vector<float>& x) {
  return {x.begin(), x.end()};
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

inline bool all_finite(const std::vector<float>& x) {
  for (float v : x) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

/// max |a − b| over max |b|: the error of a tensor as a whole, since single entries may cancel to zero.
inline double relative_error(const float* a, const double* b, std::size_t n) {
  double worst = 0.0, largest = 1e-12;
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(error <= worst)) worst = error;  // lets a NaN through
    largest = std::fmax(largest, std::fabs(b[i]));
  }
  return worst / largest;
}
inline double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
  return a.size() == b.size() ? relative_error(a.data(), b.data(), b.size()) : NAN;
}

/// df/dx[i] by central differences. In double with this step the error is near 1e-10, far below that of float
/// kernels.
template <typename F>
double central_difference(std::vector<double>& x, std::size_t i, F&& f) {
  constexpr double kStep = 1e-5;
  const double keep = x[i];
  x[i] = keep + kStep;
  const double above = f();
  x[i] = keep - kStep;
  const double below = f();
  x[i] = keep;
  return (above - below) / (2.0 * kStep);
}
template <typename F>
std::vector<double> central_differences(std::vector<double>& x, F&& f) {
  std::vector<double> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = central_difference(x, i, f);
  return out;
}

/// Σ sign[i]·df/dx[first + i], by one central difference along all signs at once: a wrong number anywhere
/// moves it. The step is as long as that of central_difference, whatever the number of signs.
template <typename F>
double difference_along(std::vector<double>& x, std::size_t first, const std::vector<double>& signs, F&& f) {
  const double step = 1e-5 / std::sqrt(static_cast<double>(signs.size()));
  const std::vector<double> keep = x;
  const auto at = [&](double by) {
    for (std::size_t i = 0; i < signs.size(); ++i) x[first + i] = keep[first + i] + by * signs[i];
    return f();
  };
  const double above = at(step), below = at(-step);
  x = keep;
  return (above - below) / (2.0 * step);
}

inline ModelSpec make_spec(const std::string& cell, std::size_t V, std::size_t D,
                           const std::vector<std::size_t>& sizes) {
  ModelSpec spec;
  spec.vocabulary = V;
  spec.embedding = D;
  for (std::size_t size : sizes) spec.layers.push_back({find_cell(cell), size});
  return spec;
}

/// A spec with its tensor table laid out in one arena; every tensor starts on a cache line, with gaps between
/// them.
struct Model {
  ModelSpec spec;
  std::vector<TensorInfo> table;
  std::vector<std::size_t> offsets;
  std::size_t length = 0;

  explicit Model(ModelSpec s) : spec(std::move(s)), table(tensor_table(spec)) {
    for (const TensorInfo& info : table) {
      offsets.push_back(length);
      length += (info.length() + 15) / 16 * 16;
    }
  }
  std::vector<float> initialised(std::uint64_t seed) const {
    std::vector<float> params(length);
    initialise(params.data(), offsets, spec, seed);
    return params;
  }
};

/// n floats between guards, starting `shift` floats off an aligned address; intact() says that no guard was
/// written.
class Guarded {
 public:
  Guarded(std::size_t n, std::size_t shift) : n_(n), shift_(shift), memory_(n + 2 * kGuard + shift) {
    for (float& x : memory_) x = pattern();
  }
  Guarded(const std::vector<float>& x, std::size_t shift) : Guarded(x.size(), shift) {
    if (!x.empty()) std::memcpy(data(), x.data(), x.size() * sizeof(float));
  }
  float* data() { return memory_.data() + kGuard + shift_; }
  float operator[](std::size_t i) { return data()[i]; }
  std::vector<float> values() { return {data(), data() + n_}; }
  bool intact() const {
    const float wanted = pattern();
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      const bool inside = i >= kGuard + shift_ && i < kGuard + shift_ + n_;
      if (!inside && std::memcmp(&memory_[i], &wanted, sizeof wanted) != 0) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 32;  // two of the widest vectors
  static float pattern() {
    const std::uint32_t bits = 0x4bad1dea;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }
  std::size_t n_, shift_;
  std::vector<float> memory_;
};

}  // namespace timernn::test
