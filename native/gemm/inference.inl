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

// The pair of a 32-bit lane's bytes 0 and 2, or 1 and 3, as 16-bit numbers; and what is multiplied with them.
typedef std::int16_t Vs __attribute__((vector_size(TIMERNN_VECTOR_BYTES)));

// Sums of four products of an unsigned byte of `a` with a signed one of the weights, a lane. All three ways
// give the same integers.
struct DotPairs {
  struct Weights {
    Vi even, odd;
  };
  struct Operand {
    Vi even, odd;
  };
  static Weights expand(Vi w) {
    const Vs all = reinterpret_cast<Vs>(w);
    return {reinterpret_cast<Vi>((all << 8) >> 8), reinterpret_cast<Vi>(all >> 8)};
  }
  static Operand operand(std::uint32_t bytes) {
    const Vi zero{};
    return {zero + static_cast<std::int32_t>(bytes & 0x00ff00ffu),
            zero + static_cast<std::int32_t>((bytes >> 8) & 0x00ff00ffu)};
  }
  static Vi pairs(Vi a, Vi w) {
#if defined(__AVX512BW__)
    return reinterpret_cast<Vi>(
        _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(w)));
#elif defined(__AVX2__)
    return reinterpret_cast<Vi>(
        _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(w)));
#else
    return ((a << 16) >> 16) * ((w << 16) >> 16) + (a >> 16) * (w >> 16);
#endif
  }
  static Vi add(Vi sum, Operand a, Weights w) {
    return sum + pairs(a.even, w.even) + pairs(a.odd, w.odd);
  }
};

#if defined(__AVX512BW__)
// One instruction for all of it, where the CPU has VNNI, which this file is not compiled for: as text, since
// an intrinsic could not be inlined.
struct DotVnni {
  using Weights = Vi;
  using Operand = Vi;
  static Weights expand(Vi w) { return w; }
  static Operand operand(std::uint32_t bytes) { return Vi{} + static_cast<std::int32_t>(bytes); }
  static Vi add(Vi sum, Operand a, Weights w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w));
    return sum;
  }
};
#endif

inline std::uint32_t four_bytes(const std::uint8_t* p) {
  std::uint32_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// An activation is a 16-bit number q = 256·high + low − 32,768, a row's all times one scale; a weight 8 bits,
// a column's all times one. Σ q·w = 256·(Σ high·w − 128·Σ w) + Σ low·w, exact in integers up to the last sum.
template <class Dot, std::size_t R, std::size_t P>
void int8_tile(const InferencePanels& p, std::size_t row, std::size_t first) {
  const std::size_t fours = (p.k + 3) / 4, stream = fours * kPanel * 4;
  const auto* b = static_cast<const std::int8_t*>(p.B) + first / kPanel * stream;
  const std::uint8_t *high = p.high + row * p.ldq, *low = p.low + row * p.ldq;
  Vi h[R][2 * P] = {}, l[R][2 * P] = {};
  for (std::size_t s = 0; s < fours; ++s, b += kPanel * 4) {
    typename Dot::Weights w[2 * P];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 2 * P; ++i) {
      const std::int8_t* at = b + i / 2 * stream + i % 2 * kLanes * 4;
      Vi lanes;
      __builtin_memcpy(&lanes, at, sizeof lanes);
      __builtin_prefetch(at + kFetched * 4);
      w[i] = Dot::expand(lanes);
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
      const auto x = Dot::operand(four_bytes(high + r * p.ldq + 4 * s));
      const auto y = Dot::operand(four_bytes(low + r * p.ldq + 4 * s));
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 2 * P; ++i) {
        h[r][i] = Dot::add(h[r][i], x, w[i]);
        l[r][i] = Dot::add(l[r][i], y, w[i]);
      }
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t i = 0; i < 2 * P; ++i) {
      // Sums and scales are padded to whole panels.
      const std::size_t column = first + i * kLanes;
      Vi sums;
      __builtin_memcpy(&sums, p.column_sum + column, sizeof sums);
      const Vf sum =
          __builtin_convertvector(h[r][i] - 128 * sums, Vf) * 256.0f + __builtin_convertvector(l[r][i], Vf);
      Vf product = sum * (load(p.column_scale + column) * p.row_scale[row + r]);
      // Rounded here in every shape of tile: contracted with the bias in some, a row's bits would hang on its
      // batch.
      asm("" : TIMERNN_VECTOR_OPERAND(product));
      finish_inference(p, row + r, column, product);
    }
  }
}

// Panel after panel, all rows; one row takes several panels at a time.
using InferenceTile = void (*)(const InferencePanels&, std::size_t, std::size_t);
void inference_tiles(const InferencePanels& p, const InferenceTile (&rows)[5], InferenceTile wide,
                     std::size_t panels) {
  std::size_t first = 0;
  if (p.m == 1) {
    for (; first + panels * kPanel <= p.n; first += panels * kPanel) wide(p, 0, first);
  }
  for (; first < p.n; first += kPanel) {
    for (std::size_t row = 0; row < p.m; row += 4) rows[p.m - row < 4 ? p.m - row : 4](p, row, first);
  }
}

void panels_bfloat16(const InferencePanels& p) {
  constexpr InferenceTile rows[] = {nullptr, bfloat16_tile<1, 1>, bfloat16_tile<2, 1>, bfloat16_tile<3, 1>,
                                    bfloat16_tile<4, 1>};
  inference_tiles(p, rows, bfloat16_tile<1, 2>, 2);
}

template <class Dot>
void panels_int8_with(const InferencePanels& p) {
  constexpr InferenceTile rows[] = {nullptr, int8_tile<Dot, 1, 1>, int8_tile<Dot, 2, 1>, int8_tile<Dot, 3, 1>,
                                    int8_tile<Dot, 4, 1>};
  inference_tiles(p, rows, int8_tile<Dot, 1, 2>, 2);
}

void panels_int8(const InferencePanels& p) {
#if defined(__AVX512BW__)
  if (__builtin_cpu_supports("avx512vnni")) return panels_int8_with<DotVnni>(p);
#endif
  panels_int8_with<DotPairs>(p);
}

// A row's largest magnitude gets 32,767. A row with something that is not finite gets the scale NaN, which
// makes NaN of every product.
float quantize_row(std::uint8_t* high, std::uint8_t* low, const float* x, std::size_t k) {
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
  for (std::size_t i = 0; i < (k + 3) / 4 * 4; ++i) {
    const float scaled = finite && i < k ? x[i] * factor : 0.0f;
    const auto q = static_cast<std::uint32_t>(static_cast<std::int32_t>(scaled + 32768.5f));
    high[i] = static_cast<std::uint8_t>(q >> 8);
    low[i] = static_cast<std::uint8_t>(q & 255u);
  }
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
