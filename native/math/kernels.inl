// The kernels, written once on GCC/Clang vector types. Each kernels_<isa>.cpp defines TIMERNN_ISA_NAME and
// TIMERNN_VECTOR_BYTES, is compiled with that set's flags, and includes this file.
// Includes no standard templates: an inline function compiled here with AVX-512 could otherwise be the copy
// that the linker keeps for everybody.

#include <cstddef>
#include <cstdint>

#include "kernels.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

// The register class of a vector in an asm operand.
#if defined(__aarch64__)
#define TIMERNN_VECTOR_OPERAND(v) "+w"(v)
#elif defined(__AVX512F__)
#define TIMERNN_VECTOR_OPERAND(v) "+v"(v)
#elif defined(__x86_64__)
#define TIMERNN_VECTOR_OPERAND(v) "+x"(v)
#else
#define TIMERNN_VECTOR_OPERAND(v) "+m"(v)
#endif

namespace timernn {
namespace {

constexpr std::size_t kLanes = TIMERNN_VECTOR_BYTES / sizeof(float);
typedef float Vf __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));
typedef std::int32_t Vi __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));
typedef std::uint32_t Vu __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));  // may wrap around

inline Vf load(const float* p) {
  Vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, Vf v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// x − 0 is x for every x (0 + x is not, for −0): one broadcast from memory, where a sum would be an addition
// more.
inline Vf splat(float x) {
  return x - Vf{};
}
// n < kLanes floats; x86 has masks for it, elsewhere it goes element by element.
#if defined(__AVX512F__)
inline Vf load_part(const float* p, std::size_t n, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << n) - 1u), p);
}
inline void store_part(float* p, Vf v, std::size_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), v);
}
#elif defined(__AVX2__)
inline __m256i first_lanes(std::size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}
inline Vf load_part(const float* p, std::size_t n, float fill) {
  const __m256i mask = first_lanes(n);
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline void store_part(float* p, Vf v, std::size_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), v);
}
#else
inline Vf load_part(const float* p, std::size_t n, float fill) {
  Vf v = splat(fill);
  for (std::size_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_part(float* p, Vf v, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) p[i] = v[i];
}
#endif
inline Vf max(Vf a, Vf b) {
  return a > b ? a : b;
}
inline Vf min(Vf a, Vf b) {
  return a < b ? a : b;
}
inline Vi bits(Vf v) {
  Vi i;
  __builtin_memcpy(&i, &v, sizeof i);
  return i;
}
inline Vf from_bits(Vi i) {
  Vf v;
  __builtin_memcpy(&v, &i, sizeof v);
  return v;
}

// exp(r) for |r| ≤ ln(2)/2.
inline Vf vexp_reduced(Vf r) {
  Vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1.0f;
}

// x − k · ln 2, with ln 2 in two parts so that the first product is exact.
inline Vf less_multiples_of_ln2(Vf x, Vf k) {
  return x - k * 0.693359375f - k * -2.12194440e-4f;
}

// exp(x) = 2^k · exp(r), k = round(x / ln 2), r = x − k · ln 2. A NaN stays a NaN: the clamps keep their
// second argument where the comparison fails.
#if defined(__AVX512F__)
inline Vf vexp(Vf x) {
  x = _mm512_min_ps(splat(88.37f), _mm512_max_ps(splat(-87.33f), x));
  const Vf k = _mm512_roundscale_ps(x * 1.44269504088896341f, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm512_scalef_ps(vexp_reduced(less_multiples_of_ln2(x, k)), k);
}
#else
inline Vf vexp(Vf x) {
  x = x < splat(-87.33f) ? splat(-87.33f) : x;
  x = x > splat(88.37f) ? splat(88.37f) : x;
  const Vf magic =
      splat(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer held in the low mantissa bits
  const Vf shifted = x * 1.44269504088896341f + magic;
  const Vf p = vexp_reduced(less_multiples_of_ln2(x, shifted - magic));
  // 2^k is built as a float and multiplied, not added to the exponent of p, so that a NaN stays one whatever
  // its payload. (The low nine bits of magic are zero.)
  return p * from_bits(reinterpret_cast<Vi>((reinterpret_cast<Vu>(shifted) << 23) + 0x3f800000u));
}
#endif

// |x| < 0.625: odd polynomial. Above: 1 − 2 / (exp(2|x|) + 1), with the sign put back. A NaN takes the
// polynomial.
inline Vf vtanh(Vf x) {
  const Vi sign = bits(x) & static_cast<std::int32_t>(0x80000000u);
  const Vf a = from_bits(bits(x) & 0x7fffffff);
  const Vf z = x * x;
  Vf p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  p = p * z * x + x;
  const Vf e = vexp(min(a, splat(10.0f)) * 2.0f);
  const Vf big = 1.0f - 2.0f / (e + 1.0f);
  return from_bits(bits(a >= splat(0.625f) ? big : p) | sign);  // the polynomial alone would make +0 of −0
}

// Runs f over n floats of x, vector by vector; the tail goes through a padded vector.
template <typename F>
inline void map(float* x, std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, f(load(x + i)));
  if (i < n) store_part(x + i, f(load_part(x + i, n - i, 0.0f)), n - i);
}

void tanh_inplace(float* x, std::size_t n) {
  map(x, n, vtanh);
}
void exp_inplace(float* x, std::size_t n) {
  map(x, n, vexp);
}

void tanh_backward(float* dt, const float* dh, const float* h, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vf v = load(h + i);
    store(dt + i, (load(dt + i) + load(dh + i)) * (1.0f - v * v));
  }
  for (; i < n; ++i) dt[i] = (dt[i] + dh[i]) * (1.0f - h[i] * h[i]);
}

#include "../gemm/panel.inl"
#include "gates.inl"
#include "updates.inl"

void add(float* y, const float* x, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(y + i) + load(x + i));
  for (; i < n; ++i) y[i] += x[i];
}

void column_sums(float* out, const float* x, std::size_t m, std::size_t n, bool accumulate) {
  std::size_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    Vf sum = accumulate ? load(out + c) : splat(0.0f);
    for (std::size_t r = 0; r < m; ++r) sum += load(x + r * n + c);
    store(out + c, sum);
  }
  for (; c < n; ++c) {
    float sum = accumulate ? out[c] : 0.0f;
    for (std::size_t r = 0; r < m; ++r) sum += x[r * n + c];
    out[c] = sum;
  }
}

double lane_sum(Vf v) {
  double sum = 0.0;
  for (std::size_t l = 0; l < kLanes; ++l) sum += static_cast<double>(v[l]);
  return sum;
}

double sum_and_square(float* out, const float* const* parts, std::size_t count, std::size_t n) {
  double total = 0.0;
  std::size_t i = 0;
  while (i + kLanes <= n) {
    // Squares are added up in float for a short run only, then in double: the norm of millions of numbers
    // stays exact.
    const std::size_t stop = n - i > 64 * kLanes ? i + 64 * kLanes : n;
    Vf squares{};
    for (; i + kLanes <= stop; i += kLanes) {
      Vf sum = load(parts[0] + i);
      for (std::size_t s = 1; s < count; ++s) sum += load(parts[s] + i);
      store(out + i, sum);
      squares += sum * sum;
    }
    total += lane_sum(squares);
  }
  for (; i < n; ++i) {
    float sum = parts[0][i];
    for (std::size_t s = 1; s < count; ++s) sum += parts[s][i];
    out[i] = sum;
    total += static_cast<double>(sum) * static_cast<double>(sum);
  }
  return total;
}

// Four rows of W at a time, so that y is loaded and stored once for four multiply-adds.
void gemv(float* y, const float* x, const float* W, std::size_t k, std::size_t n, std::size_t ld) {
  std::size_t r = 0;
  for (; r + 4 <= k; r += 4) {
    const float* w0 = W + r * ld;
    const float *w1 = w0 + ld, *w2 = w1 + ld, *w3 = w2 + ld;
    const float x0 = x[r], x1 = x[r + 1], x2 = x[r + 2], x3 = x[r + 3];
    std::size_t c = 0;
    for (; c + kLanes <= n; c += kLanes) {
      Vf sum = load(y + c) + load(w0 + c) * x0;
      sum += load(w1 + c) * x1;
      sum += load(w2 + c) * x2;
      sum += load(w3 + c) * x3;
      store(y + c, sum);
    }
    for (; c < n; ++c) y[c] += w0[c] * x0 + w1[c] * x1 + w2[c] * x2 + w3[c] * x3;
  }
  for (; r < k; ++r) {
    const float* w = W + r * ld;
    std::size_t c = 0;
    for (; c + kLanes <= n; c += kLanes) store(y + c, load(y + c) + load(w + c) * x[r]);
    for (; c < n; ++c) y[c] += w[c] * x[r];
  }
}

void gemv_t(float* y, const float* x, const float* W, std::size_t n, std::size_t k, std::size_t ld) {
  for (std::size_t r = 0; r < n; ++r) {
    const float* w = W + r * ld;
    Vf a{}, b{};
    std::size_t c = 0;
    for (; c + 2 * kLanes <= k; c += 2 * kLanes) {
      a += load(w + c) * load(x + c);
      b += load(w + c + kLanes) * load(x + c + kLanes);
    }
    double sum = lane_sum(a + b);
    for (; c < k; ++c) sum += static_cast<double>(w[c]) * static_cast<double>(x[c]);
    y[r] += static_cast<float>(sum);
  }
}

inline Vf biased(const float* x, const float* bias, std::size_t i) {
  return bias == nullptr ? load(x + i) : load(x + i) + load(bias + i);
}

float row_max(const float* x, const float* bias, std::size_t n) {
  Vf best = splat(-3.402823466e+38f);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) best = max(biased(x, bias, i), best);
  float top = best[0];
  for (std::size_t l = 1; l < kLanes; ++l) top = best[l] > top ? best[l] : top;
  for (; i < n; ++i) {
    const float v = bias == nullptr ? x[i] : x[i] + bias[i];
    top = v > top ? v : top;
  }
  return top;
}

// x = exp(x + bias − top); returns the sum.
double row_exp(float* x, const float* bias, std::size_t n, float top) {
  Vf a{}, b{};
  double total = 0.0;
  std::size_t i = 0;
  while (i + 2 * kLanes <= n) {
    const std::size_t stop = n - i > 256 * kLanes ? i + 256 * kLanes : n;
    a = b = Vf{};
    for (; i + 2 * kLanes <= stop; i += 2 * kLanes) {
      const Vf u = vexp(biased(x, bias, i) - top), v = vexp(biased(x, bias, i + kLanes) - top);
      store(x + i, u);
      store(x + i + kLanes, v);
      a += u;
      b += v;
    }
    total += lane_sum(a + b);
  }
  for (; i < n; i += kLanes) {
    const std::size_t m = n - i < kLanes ? n - i : kLanes;
    Vf z = load_part(x + i, m, 0.0f);
    if (bias != nullptr) z += load_part(bias + i, m, 0.0f);
    const Vf e = vexp(z - top);
    store_part(x + i, e, m);
    for (std::size_t l = 0; l < m; ++l) total += static_cast<double>(e[l]);
  }
  return total;
}

void scale_row(float* x, std::size_t n, float a) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, load(x + i) * a);
  for (; i < n; ++i) x[i] *= a;
}

float softmax_cross_entropy(float* x, const float* bias, std::size_t n, std::size_t target, float scale,
                            bool gradient) {
  const float top = row_max(x, bias, n);
  const float z = x[target] + (bias == nullptr ? 0.0f : bias[target]);
  const double sum = row_exp(x, bias, n, top);
  // The difference is taken before the logarithm's rounding, so a confident row keeps a small, exact loss.
  const double loss = __builtin_log(sum) + (static_cast<double>(top) - static_cast<double>(z));
  if (gradient) {
    scale_row(x, n, static_cast<float>(static_cast<double>(scale) / sum));
    x[target] -= scale;
  }
  return static_cast<float>(loss);
}

void softmax(float* x, std::size_t n) {
  const float top = row_max(x, nullptr, n);
  const double sum = row_exp(x, nullptr, n, top);
  scale_row(x, n, static_cast<float>(1.0 / sum));
}

#include "../gemm/inference.inl"
#include "softmax_panels.inl"

// Twelve chains hide the latency of two FMA pipes on every CPU we know of. Each has its own variable, since
// an array would be kept in memory; the empty asm keeps the compiler from folding the rounds together.
double fma_probe(std::uint64_t iterations, float* sink) {
  const Vf m = splat(0.999f + sink[0] * 1e-9f), c = splat(1e-3f);
  Vf a0 = c, a1 = c, a2 = c, a3 = c, a4 = c, a5 = c, a6 = c, a7 = c, a8 = c, a9 = c, a10 = c, a11 = c;
  for (std::uint64_t it = 0; it < iterations; ++it) {
#define TIMERNN_FMA(v) \
  v = v * m + c;       \
  asm volatile("" : TIMERNN_VECTOR_OPERAND(v))
    TIMERNN_FMA(a0);
    TIMERNN_FMA(a1);
    TIMERNN_FMA(a2);
    TIMERNN_FMA(a3);
    TIMERNN_FMA(a4);
    TIMERNN_FMA(a5);
    TIMERNN_FMA(a6);
    TIMERNN_FMA(a7);
    TIMERNN_FMA(a8);
    TIMERNN_FMA(a9);
    TIMERNN_FMA(a10);
    TIMERNN_FMA(a11);
#undef TIMERNN_FMA
  }
  const Vf sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
  sink[0] = static_cast<float>(lane_sum(sum)) * 1e-30f;
  return static_cast<double>(iterations) * 12.0 * static_cast<double>(kLanes) * 2.0;
}

}  // namespace

extern const Kernels TIMERNN_TABLE;
const Kernels TIMERNN_TABLE = {
    TIMERNN_ISA_NAME,
    kPanel,
    kTile,
    kDepth,
    kAhead,
    gemm_panel,
    pack_rows,
    pack_turned,
    pack_tiles,
    turn_tile,
    tanh_inplace,
    exp_inplace,
    tanh_backward,
    sigmoid_inplace,
    relu_inplace,
    relu_backward,
    lstm_forward,
    lstm_backward,
    gru_forward,
    gru_backward,
    gru_reset,
    gru_output,
    gru_output_backward,
    gru_reset_backward,
    add,
    update_sgd,
    update_momentum<false>,
    update_momentum<true>,
    update_scaled,
    update_adam,
    average,
    dropout_forward,
    dropout_backward,
    column_sums,
    sum_and_square,
    gemv,
    gemv_t,
    panels_float,
    panels_bfloat16,
    panels_int8,
    quantize_row,
    softmax_sum,
    softmax_share,
    softmax_cross_entropy,
    softmax_chunk,
    softmax,
    fma_probe,
};

}  // namespace timernn
