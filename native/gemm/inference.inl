// Products of a few rows with weights packed for inference: float32, bfloat16 and int8; included by
// math/kernels.inl, once an instruction set. The formats stand in gemm/linear.h, the arguments in kernels.h.
//
// Every element of C is one sum over k in one order, whatever the number of rows and the columns that a call
// takes: so a row gets the same bits alone and in a batch, on one thread and on several.
// Refuses to do: blocking for cache; with the rows of a batch of sessions, weights are read once for all.

// Lanes by which weights are fetched before they are multiplied.
constexpr std::size_t kFetched = 16 * kPanel;

// A tile's sum on its way to memory: bias, sum with what is there, tanh.
inline void finish_inference(const InferencePanels& p, std::size_t row, std::size_t column, Vf sum) {
  if (column >= p.n) return;
  const std::size_t width = p.n - column < kLanes ? p.n - column : kLanes;
  float* to = p.C + row * p.ldc + column;
  const bool whole = width == kLanes;
  if (p.bias != nullptr) sum += whole ? load(p.bias + column) : load_part(p.bias + column, width, 0.0f);
  if (p.accumulate) sum = (whole ? load(to) : load_part(to, width, 0.0f)) + sum;
  if (p.tanh) sum = vtanh(sum);
  whole ? store(to, sum) : store_part(to, sum, width);
}

// One row against P panels at a time, each a stream of its own: enough chains of sums to hide their latency.
// The same operations in the same order as in panel.inl.
template <std::size_t P>
void float_row(const InferencePanels& p, std::size_t row, std::size_t first) {
  const float* a = p.A + row * p.lda;
  const float* b = static_cast<const float*>(p.B) + first * p.k;
  const std::size_t stream = p.k * kPanel;
  Vf c[P][2] = {};
  if (p.accumulate) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 2 * P; ++i) {
      const std::size_t column = first + i * kLanes, left = column < p.n ? p.n - column : 0;
      const float* from = p.C + row * p.ldc + column;
      if (left >= kLanes) {
        c[i / 2][i % 2] = load(from);
      } else if (left > 0) {
        c[i / 2][i % 2] = load_part(from, left, 0.0f);
      }
    }
  }
  for (std::size_t s = 0; s < p.k; ++s, b += kPanel) {
    const Vf x = broadcast<Vf>(a[s]);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < P; ++i) {
      __builtin_prefetch(b + i * stream + kFetched);
      __builtin_prefetch(b + i * stream + kFetched + kLanes);
      multiply_add(c[i][0], x, load(b + i * stream));
      multiply_add(c[i][1], x, load(b + i * stream + kLanes));
    }
  }
  InferencePanels sum = p;
  sum.accumulate = false;  // the sums began with what was there
  for (std::size_t i = 0; i < P; ++i) {
    finish_inference(sum, row, first + i * kPanel, c[i][0]);
    finish_inference(sum, row, first + i * kPanel + kLanes, c[i][1]);
  }
}

// Several rows are gemm_panel's work.
void panels_float(const InferencePanels& p) {
  for (std::size_t row = 0; row < p.m; ++row) {
    std::size_t first = 0;
    for (; first + 4 * kPanel <= p.n; first += 4 * kPanel) float_row<4>(p, row, first);
    for (; first < p.n; first += kPanel) float_row<1>(p, row, first);
  }
}

// Two bfloat16 weights, of k and k + 1, share a lane: the first in its lower half. As a float's upper half
// each is the weight itself.
template <std::size_t R, std::size_t P>
void bfloat16_tile(const InferencePanels& p, std::size_t row, std::size_t first) {
  const std::size_t pairs = (p.k + 1) / 2, stream = pairs * kPanel;
  const auto* b = static_cast<const std::uint32_t*>(p.B) + first / kPanel * stream;
  const float* a = p.A + row * p.lda;
  Vf c[R][2 * P] = {};
  for (std::size_t s = 0; s < pairs; ++s, b += kPanel) {
    const std::size_t second = 2 * s + 1 < p.k ? 2 * s + 1 : 2 * s;  // of an odd k the last weight is 0
    Vf even[2 * P], odd[2 * P];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 2 * P; ++i) {
      const std::uint32_t* at = b + i / 2 * stream + i % 2 * kLanes;
      Vu w;
      __builtin_memcpy(&w, at, sizeof w);
      __builtin_prefetch(at + kFetched);
      even[i] = from_bits(reinterpret_cast<Vi>(w << 16));
      odd[i] = from_bits(reinterpret_cast<Vi>(w & 0xffff0000u));
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
      const Vf x = splat(a[r * p.lda + 2 * s]), y = splat(a[r * p.lda + second]);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 2 * P; ++i) {
        c[r][i] += x * even[i];
        c[r][i] += y * odd[i];
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t i = 0; i < 2 * P; ++i) finish_inference(p, row + r, first + i * kLanes, c[r][i]);
  }
}

// int8: an activation is a 16-bit number q, a row's all times one scale; a weight 8 bits, a column's all
// times one. Σ q·w is exact in integers, as 256·high + low with 0 ≤ low < 256, up to the last line: so all
// ways to it have the same bits.
inline void finish_int8(const InferencePanels& p, std::size_t row, std::size_t column, Vi high, Vi low) {
  high += low >> 8;
  low &= 255;
  const Vf sum = __builtin_convertvector(high, Vf) * 256.0f + __builtin_convertvector(low, Vf);
  // Scales are padded to whole panels.
  Vf product = sum * (load(p.column_scale + column) * p.row_scale[row]);
  // Rounded here in every shape of tile: contracted with the bias in some, a row's bits would hang on its
  // batch.
  asm("" : TIMERNN_VECTOR_OPERAND(product));
  finish_inference(p, row, column, product);
}

typedef std::int16_t Vs __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));
typedef std::int64_t Vq __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));

// Half a vector of weights as 16-bit numbers: the fours of kLanes / 2 columns.
inline Vs widened(const std::int8_t* at) {
#if defined(__AVX512BW__)
  return reinterpret_cast<Vs>(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
#elif defined(__AVX2__)
  return reinterpret_cast<Vs>(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
#else
  typedef std::int8_t Half __attribute__((vector_size(TIMERNN_VECTOR_BYTES / 2)));
  Half half;
  __builtin_memcpy(&half, at, sizeof half);
  return __builtin_convertvector(half, Vs);
#endif
}

// Sums of two products of 16-bit numbers, a 32-bit lane.
inline Vi pairs(Vs a, Vs w) {
#if defined(__AVX512BW__)
  return reinterpret_cast<Vi>(_mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(w)));
#elif defined(__AVX2__)
  return reinterpret_cast<Vi>(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(w)));
#else
  const Vi x = reinterpret_cast<Vi>(a), y = reinterpret_cast<Vi>(w);
  return ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#endif
}

// a[0] + a[1], a[2] + a[3], …, b[0] + b[1], …
inline Vi neighbours(Vi a, Vi b) {
  Vi even{};
  for (std::size_t i = 0; i < kLanes; ++i) even[i] = static_cast<std::int32_t>(2 * i);
  return shuffled(a, b, even) + shuffled(a, b, even + 1);
}

// Fours whose products a 32-bit lane holds: two of each, of at most 32,767 · 127, 256 times.
constexpr std::size_t kExactFours = 256;

// Rows of a tile: what they sum fits the registers.
constexpr std::size_t kInt8Rows = TIMERNN_VECTOR_BYTES == 64 ? 4 : 2;

// The two pairs of a four are summed in lanes of their own.
template <std::size_t R, std::size_t P>
void int8_tile(const InferencePanels& p, std::size_t row, std::size_t first) {
  const std::size_t fours = (p.k + 3) / 4, stream = fours * kPanel * 4;
  const auto* b = static_cast<const std::int8_t*>(p.B) + first / kPanel * stream;
  const std::uint8_t* q = p.quantized + row * p.ldq;
  Vi high[R][2 * P] = {}, low[R][2 * P] = {};
  for (std::size_t from = 0; from < fours; from += kExactFours) {
    const std::size_t end = fours - from < kExactFours ? fours : from + kExactFours;
    Vi c[R][4 * P] = {};
    for (std::size_t s = from; s < end; ++s, b += kPanel * 4) {
      Vq four[R];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) {
        std::int64_t v;
        __builtin_memcpy(&v, q + r * p.ldq + 8 * s, sizeof v);
        four[r] = v - Vq{};
      }
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 4 * P; ++i) {
        const std::int8_t* at = b + i / 4 * stream + i % 4 * kLanes * 2;
        if (i % 4 * kLanes * 2 % 64 == 0) __builtin_prefetch(at + kFetched * 4);
        const Vs w = widened(at);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < R; ++r) c[r][i] += pairs(reinterpret_cast<Vs>(four[r]), w);
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 2 * P; ++i) {
        const Vi x = c[r][2 * i], y = c[r][2 * i + 1];
        high[r][i] += neighbours(x >> 8, y >> 8);
        low[r][i] += neighbours(x & 255, y & 255);
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t i = 0; i < 2 * P; ++i) {
      finish_int8(p, row + r, first + i * kLanes, high[r][i], low[r][i]);
    }
  }
}

#if defined(__AVX512BW__)
// One instruction for four products of bytes, where the CPU has VNNI, which this file is not compiled for: as
// text, since an intrinsic could not be inlined. Its first factor is without sign, so an activation is
// q = 256·high + low − 32,768 there: Σ q·w = 256·(Σ high·w − 128·Σ w) + Σ low·w.
bool have_vnni() {
  return __builtin_cpu_supports("avx512vnni");
}

inline Vi fours_of_bytes(Vi sum, Vi a, Vi w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
  return sum;
}

inline Vi splat_bytes(const std::uint8_t* p) {
  std::int32_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v - Vi{};
}

template <std::size_t R, std::size_t P>
void int8_vnni_tile(const InferencePanels& p, std::size_t row, std::size_t first) {
  const std::size_t fours = (p.k + 3) / 4, stream = fours * kPanel * 4;
  const auto* b = static_cast<const std::int8_t*>(p.B) + first / kPanel * stream;
  const std::uint8_t *high = p.quantized + row * p.ldq, *low = high + p.ldq / 2;
  Vi h[R][2 * P] = {}, l[R][2 * P] = {};
  for (std::size_t s = 0; s < fours; ++s, b += kPanel * 4) {
    Vi w[2 * P];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 2 * P; ++i) {
      const std::int8_t* at = b + i / 2 * stream + i % 2 * kLanes * 4;
      __builtin_memcpy(&w[i], at, sizeof w[i]);
      __builtin_prefetch(at + kFetched * 4);
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
      const Vi x = splat_bytes(high + r * p.ldq + 4 * s), y = splat_bytes(low + r * p.ldq + 4 * s);
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 2 * P; ++i) {
        h[r][i] = fours_of_bytes(h[r][i], x, w[i]);
        l[r][i] = fours_of_bytes(l[r][i], y, w[i]);
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t i = 0; i < 2 * P; ++i) {
      const std::size_t column = first + i * kLanes;
      Vi sums;
      __builtin_memcpy(&sums, p.column_sum + column, sizeof sums);
      finish_int8(p, row + r, column, h[r][i] - 128 * sums, l[r][i]);
    }
  }
}
#endif

// Panel after panel, all rows; one row takes several panels at a time. `rows[i]` takes i of them.
using InferenceTile = void (*)(const InferencePanels&, std::size_t, std::size_t);
template <std::size_t Rows>
void inference_tiles(const InferencePanels& p, const InferenceTile (&rows)[Rows], InferenceTile wide,
                     std::size_t panels) {
  constexpr std::size_t most = Rows - 1;
  std::size_t first = 0;
  if (p.m == 1) {
    for (; first + panels * kPanel <= p.n; first += panels * kPanel) wide(p, 0, first);
  }
  for (; first < p.n; first += kPanel) {
    for (std::size_t row = 0; row < p.m; row += most) {
      rows[p.m - row < most ? p.m - row : most](p, row, first);
    }
  }
}

void panels_bfloat16(const InferencePanels& p) {
  constexpr InferenceTile rows[] = {nullptr, bfloat16_tile<1, 1>, bfloat16_tile<2, 1>, bfloat16_tile<3, 1>,
                                    bfloat16_tile<4, 1>};
  inference_tiles(p, rows, bfloat16_tile<1, 2>, 2);
}

void panels_int8(const InferencePanels& p) {
#if defined(__AVX512BW__)
  if (have_vnni()) {
    constexpr InferenceTile rows[] = {nullptr, int8_vnni_tile<1, 1>, int8_vnni_tile<2, 1>,
                                      int8_vnni_tile<3, 1>, int8_vnni_tile<4, 1>};
    return inference_tiles(p, rows, int8_vnni_tile<1, 2>, 2);
  }
#endif
  if constexpr (kInt8Rows == 4) {
    constexpr InferenceTile rows[] = {nullptr, int8_tile<1, 1>, int8_tile<2, 1>, int8_tile<3, 1>,
                                      int8_tile<4, 1>};
    inference_tiles(p, rows, int8_tile<1, 2>, 2);
  } else {
    constexpr InferenceTile rows[] = {nullptr, int8_tile<1, 1>, int8_tile<2, 1>};
    inference_tiles(p, rows, int8_tile<1, 2>, 2);
  }
}

// q of k floats, and zeros up to a multiple of 4; zeros alone where not all are finite.
template <class Write>
void quantized(const float* x, std::size_t k, bool finite, float factor, Write write) {
  for (std::size_t i = 0; i < k; ++i) {
    const float scaled = finite ? x[i] * factor + 32768.5f : 32768.5f;
    write(i, static_cast<std::int32_t>(scaled) - 32768);
  }
  for (std::size_t i = k; i < (k + 3) / 4 * 4; ++i) write(i, 0);
}

// A row's largest magnitude gets 32,767. A row with something that is not finite gets the scale NaN, which
// makes NaN of every product.
float quantize_row(std::uint8_t* row, std::size_t bytes, const float* x, std::size_t k) {
  float top = 0.0f, sum = 0.0f;
  for (std::size_t i = 0; i < k; ++i) {
    const float a = __builtin_fabsf(x[i]);
    top = a > top ? a : top;
    sum += x[i] * 0.0f;
  }
  const bool finite = sum == 0.0f;
  const float by = finite && top > 0.0f ? 32767.0f / top : 0.0f;
  // Of a subnormal row 32,767 / top may be infinite: it is 0 to eight digits of anything that it is added to.
  const float factor = by <= 3.402823466e+38f ? by : 0.0f;
#if defined(__AVX512BW__)
  if (have_vnni()) {
    std::uint8_t* low = row + bytes / 2;
    quantized(x, k, finite, factor, [=](std::size_t i, std::int32_t q) {
      row[i] = static_cast<std::uint8_t>((q + 32768) >> 8);
      low[i] = static_cast<std::uint8_t>(q & 255);
    });
    return finite ? (factor > 0.0f ? top / 32767.0f : 0.0f) : __builtin_nanf("");
  }
#endif
  static_cast<void>(bytes);
  quantized(x, k, finite, factor, [=](std::size_t i, std::int32_t q) {
    const auto number = static_cast<std::int16_t>(q);
    __builtin_memcpy(row + 2 * i, &number, sizeof number);
  });
  return finite ? (factor > 0.0f ? top / 32767.0f : 0.0f) : __builtin_nanf("");
}

// Greatest of n logits and Σ exp(z − it); NaN where one of them is not finite.
void softmax_sum(SoftmaxSum* out, const float* z, std::size_t n) {
  const float top = row_max(z, nullptr, n);
  double total = 0.0;
  Vf zeros{};
  std::size_t i = 0;
  while (i < n) {
    const std::size_t stop = n - i > 64 * kLanes ? i + 64 * kLanes : n;
    Vf sum{};
    for (; i + kLanes <= stop; i += kLanes) {
      const Vf x = load(z + i);
      zeros += x * 0.0f;
      sum += vexp(x - top);
    }
    total += lane_sum(sum);
    if (i < stop) {
      const Vf x = load_part(z + i, stop - i, top);
      const Vf e = vexp(x - top);
      zeros += x * 0.0f;
      for (std::size_t l = 0; l < stop - i; ++l) total += static_cast<double>(e[l]);
      i = stop;
    }
  }
  out->top = top;
  out->sum = total + lane_sum(zeros);
}

void softmax_share(float* z, std::size_t n, float top, float scale) {
  map(z, n, [=](Vf x) { return vexp(x - top) * scale; });
}
