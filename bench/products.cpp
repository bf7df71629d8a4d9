// The matrix products of the workloads, one by one: our kernel on packed weights and OpenBLAS in turns,
// beside the FMA peak of the moment. Which product goes where is decided by this table (docs/decisions/0013).
//
//   usage: products            prints a markdown table; built by products.mjs
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "core/buffer.h"
#include "gemm/gemm.h"
#include "gemm/packed.h"
#include "math/kernels.h"

using namespace timernn;

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Product {
  const char* what;
  bool gradient;  ///< C = Aᵀ·B over the rows of a window; else C = A·B
  std::size_t m, k, n, steps;
};

constexpr Product kProducts[] = {
    {"W1 h·Wh, a step", false, 10, 100, 100, 35},
    {"W2 h·Wh, a step", false, 10, 200, 800, 35},
    {"W2 da·Whᵀ, a step", false, 10, 800, 200, 35},
    {"W3 h·Wh, a step", false, 16, 512, 512, 64},
    {"W4 h·Wh, a step", false, 10, 650, 2600, 35},
    {"W4 da·Whᵀ, a step", false, 10, 2600, 650, 35},
    {"W5 h·Wh, a step", false, 32, 256, 256, 64},
    {"W6 h·Wh, a step", false, 32, 512, 2048, 32},
    {"W6 da·Whᵀ, a step", false, 32, 2048, 512, 32},
    {"W2 xs·Wx, a window", false, 350, 200, 800, 1},
    {"W3 xs·Wx, a window", false, 1024, 64, 512, 1},
    {"W4 xs·Wx, a window", false, 350, 650, 2600, 1},
    {"W4 da·Wxᵀ, a window", false, 350, 2600, 650, 1},
    {"W5 xs·Wx, a window", false, 2048, 256, 256, 1},
    {"W6 xs·Wx, a window", false, 1024, 512, 2048, 1},
    {"W6 da·Wxᵀ, a window", false, 1024, 2048, 512, 1},
    {"W1 dWh", true, 100, 350, 100, 1},
    {"W2 dWh", true, 200, 350, 800, 1},
    {"W3 dWh", true, 512, 1024, 512, 1},
    {"W3 dWx", true, 64, 1024, 512, 1},
    {"W4 dWh", true, 650, 350, 2600, 1},
    {"W5 dWh", true, 256, 2048, 256, 1},
    {"W6 dWh", true, 512, 1024, 2048, 1},
};

void fill(Buffer& b) {
  for (std::size_t i = 0; i < b.size(); ++i) b.data()[i] = static_cast<float>(i % 97) * 1e-3f - 0.05f;
}

double fma_peak() {
  float sink[16] = {};
  const auto start = Clock::now();
  const double operations = kernels().fma_probe(1'000'000, sink);
  return operations / since(start);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

void measure(const Product& p) {
  const std::size_t rows = p.m * p.steps;
  Buffer A(p.gradient ? p.k * p.m : rows * p.k), B(p.k * p.n), C((p.gradient ? p.m : rows) * p.n);
  Buffer packed(packed_floats(p.k, p.n));
  Buffer scratch(std::max(outer_scratch_floats(p.m, p.n, p.k), gemm_scratch_floats(rows, p.k)));
  fill(A);
  fill(B);
  const int m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  // Packing the weights counts: once for all steps of the window.
  const auto ours = [&] {
    if (p.gradient) {
      const OuterLeft left{C.data(), A.data(), p.m, p.n, p.m};
      return gemm_outer({&left, 1, B.data(), p.n, p.k, p.n}, scratch.data());
    }
    pack({packed.data(), B.data(), p.k, p.n, p.n});
    for (std::size_t t = 0; t < p.steps; ++t) {
      gemm_packed({C.data() + t * p.m * p.n, A.data() + t * p.m * p.k, packed.data(), p.m, p.n, p.k, p.n, p.k,
                   false, false, nullptr, scratch.data()});
    }
  };
  const auto blas = [&] {
    if (p.gradient) return gemm({C.data(), A.data(), B.data(), m, n, k, true, false});
    for (std::size_t t = 0; t < p.steps; ++t) {
      gemm({C.data() + t * p.m * p.n, A.data() + t * p.m * p.k, B.data(), m, n, k});
    }
  };
  const double operations =
      2.0 * static_cast<double>(rows) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const int calls = std::max(1, static_cast<int>(1e9 / operations));
  const auto time = [&](const std::function<void()>& f) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    return operations * calls / since(start) * 1e-9;
  };
  ours();
  blas();
  std::vector<double> own, other, peak;
  for (int turn = 0; turn < 9; ++turn) {
    peak.push_back(fma_peak() * 1e-9);
    own.push_back(time(ours));
    other.push_back(time(blas));
  }
  const double top = median(peak);
  std::printf("| %s | %zu×%zu×%zu | %.1f | %.0f %% | %.1f | %.0f %% |\n", p.what, p.m, p.k, p.n, median(own),
              100.0 * median(own) / top, median(other), 100.0 * median(other) / top);
  std::fflush(stdout);
}

}  // namespace

int main() {
  blas_single_thread();
  std::printf("| product | m×k×n | own GFLOP/s | of FMA peak | OpenBLAS GFLOP/s | of FMA peak |\n");
  std::printf("|---|---|--:|--:|--:|--:|\n");
  for (const Product& p : kProducts) measure(p);
}
