// What the machine is and how fast: doctor and the benchmark read this.
#include <algorithm>
#include <chrono>

#include "args.h"
#include "core/buffer.h"
#include "gemm/gemm.h"
#include "gemm/packed.h"
#include "math/kernels.h"
#include "math/philox.h"

namespace timernn::binding {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Napi::Array names(Napi::Env env, const std::vector<std::string>& list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  for (std::size_t i = 0; i < list.size(); ++i)
    out.Set(static_cast<std::uint32_t>(i), Napi::String::New(env, list[i]));
  return out;
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> out;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) out.emplace_back("sse4.2");
  if (__builtin_cpu_supports("avx")) out.emplace_back("avx");
  if (__builtin_cpu_supports("avx2")) out.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) out.emplace_back("fma");
  if (__builtin_cpu_supports("avx512f")) out.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512dq")) out.emplace_back("avx512dq");
  if (__builtin_cpu_supports("avx512bw")) out.emplace_back("avx512bw");
  if (__builtin_cpu_supports("avx512vl")) out.emplace_back("avx512vl");
  if (__builtin_cpu_supports("avx512vnni")) out.emplace_back("avx512vnni");
#elif defined(__aarch64__)
  out.emplace_back("neon");
#endif
  return out;
}

Napi::Value system_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<std::string> sets;
  for (const char* isa : {"generic", "avx2", "avx512", "neon"}) {
    if (kernels_for(isa) != nullptr) sets.emplace_back(isa);
  }
  const BlasInfo blas = blas_info();
  Napi::Object b = Napi::Object::New(env), out = Napi::Object::New(env);
  b.Set("config", blas.config);
  b.Set("coreType", blas.core);
  b.Set("parallel", blas.parallel);
  b.Set("threads", blas.threads);
  out.Set("isa", kernels().isa);
  out.Set("isaAvailable", names(env, sets));
  out.Set("gemm", gemm_path() == GemmPath::packed ? "packed" : "blas");
  out.Set("cpuFeatures", names(env, cpu_features()));
  out.Set("blas", b);
  out.Set("compiler", __VERSION__);
  return out;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

Napi::Value measure_sgemm(const Napi::CallbackInfo& info) {
  const std::size_t m = size(info[0], "m", 1), n = size(info[1], "n", 1), k = size(info[2], "k", 1);
  const std::size_t repeats = size(info[3], "repeats", 1);
  auto result = std::make_shared<double>(0.0);
  const auto work = [=] {
    Buffer a(m * k), b(k * n), c(m * n);
    for (std::size_t i = 0; i < m * k; ++i) a.data()[i] = static_cast<float>(i % 13) * 0.1f - 0.6f;
    for (std::size_t i = 0; i < k * n; ++i) b.data()[i] = static_cast<float>(i % 11) * 0.1f - 0.5f;
    const Gemm g{c.data(), a.data(), b.data(), static_cast<int>(m), static_cast<int>(n), static_cast<int>(k)};
    const double operations = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    // One sample lasts about a millisecond at least, so that the clock's own cost is nothing.
    const auto inner = static_cast<std::size_t>(std::max(1.0, 1e8 / operations));
    gemm(g);
    std::vector<double> samples;
    for (std::size_t r = 0; r < repeats; ++r) {
      const auto start = Clock::now();
      for (std::size_t i = 0; i < inner; ++i) gemm(g);
      samples.push_back(operations * static_cast<double>(inner) / since(start) * 1e-9);
    }
    *result = median(samples);
  };
  return run_async(info.Env(), work, [result](Napi::Env env) { return Napi::Number::New(env, *result); }, {});
}

Napi::Value measure_fma(const Napi::CallbackInfo& info) {
  const double seconds = number(info[0], "milliseconds") * 1e-3;
  auto result = std::make_shared<double>(0.0);
  const auto work = [=] {
    float sink = 0.0f;
    std::vector<double> samples;
    const auto begin = Clock::now();
    do {
      const auto start = Clock::now();
      const double operations = kernels().fma_probe(1'000'000, &sink);
      samples.push_back(operations / since(start) * 1e-9);
    } while (since(begin) < seconds);
    *result = *std::max_element(samples.begin(), samples.end());
  };
  return run_async(info.Env(), work, [result](Napi::Env env) { return Napi::Number::New(env, *result); }, {});
}

Napi::Value cells(const Napi::CallbackInfo& info) {
  return names(info.Env(), cell_names());
}

// How many floats to skip so that a shared buffer's data starts on a cache line: the base is aligned to 16
// bytes only, and the answer is the same in every thread, because all map the same address.
Napi::Value misalignment(const Napi::CallbackInfo& info) {
  const auto view = floats(info[0], "array");
  const auto address = reinterpret_cast<std::uintptr_t>(view.data);
  if (view.length * sizeof(float) >= kLargeMemory) prefer_large_pages(view.data, view.length * sizeof(float));
  return Napi::Number::New(info.Env(),
                           static_cast<double>((kAlignment - address % kAlignment) % kAlignment / 4));
}

Napi::Value uniform(const Napi::CallbackInfo& info) {
  const auto out = floats(info[0], "out");
  const double low = number(info[1], "low"), high = number(info[2], "high");
  const std::uint64_t s = seed(info[3], "seed"), stream = size(info[4], "stream");
  for (std::size_t i = 0; i < out.length; ++i) {
    out.data[i] = static_cast<float>(low + (high - low) * uniform01(s, stream, i));
  }
  return info.Env().Undefined();
}

}  // namespace

void register_system(Napi::Env env, Napi::Object exports) {
  exports.Set("systemInfo", Napi::Function::New(env, safe<system_info>, "systemInfo"));
  exports.Set("measureSgemm", Napi::Function::New(env, safe<measure_sgemm>, "measureSgemm"));
  exports.Set("measureFma", Napi::Function::New(env, safe<measure_fma>, "measureFma"));
  exports.Set("cells", Napi::Function::New(env, safe<cells>, "cells"));
  exports.Set("misalignment", Napi::Function::New(env, safe<misalignment>, "misalignment"));
  exports.Set("uniform", Napi::Function::New(env, safe<uniform>, "uniform"));
}

}  // namespace timernn::binding
