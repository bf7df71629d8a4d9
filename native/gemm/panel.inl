// The register-tiled product of packed panels; included by math/kernels.inl, once an instruction set.
//
// One panel holds kPanel = 2 vectors of columns of B, row after row, so the inner loop reads it in order. A
// tile keeps up to kTile rows × 2 vectors of C in registers: per step of k, two loads of B, one broadcast of
// A a row, and two fused multiply-adds a row. With 32 registers 12 rows fit, with 16 registers 6. Refuses to
// do: packing and blocking (see packed.cpp).

constexpr std::size_t kPanel = 2 * kLanes;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr std::size_t kTile = 12;
#else
constexpr std::size_t kTile = 6;
#endif

// A vector of the lower half: a panel's last few columns cost half as much with it.
typedef float Vh __attribute__((vector_size(TIMERNN_VECTOR_BYTES / 2)));
constexpr std::size_t kHalf = kLanes / 2;

inline Vf widened(Vf v) {
  return v;
}
inline Vf widened(Vh v) {
  Vf out{};
  __builtin_memcpy(&out, &v, sizeof v);
  return out;
}

// Sums of R rows × N vectors over all of k, in registers.
template <typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void multiply(V (&c)[R][N], const PanelProduct& g, const float* a,
                                                    const float* next) {
  const float* b = g.B;
  const std::size_t block = g.a_block == 0 ? g.k : kPanel;
  for (std::size_t k0 = 0; k0 < g.k; k0 += block) {
    const std::size_t steps = g.k - k0 < block ? g.k - k0 : block;
    const float* at = a;
    for (std::size_t s = 0; s < steps; ++s) {
      V column[N];
#pragma GCC unroll 2
      for (std::size_t i = 0; i < N; ++i) __builtin_memcpy(&column[i], b + i * kLanes, sizeof(V));
#pragma GCC unroll 16
      for (std::size_t r = 0; r < R; ++r) {
        const V x = at[r * g.a_row] - V{};  // see splat()
#pragma GCC unroll 2
        for (std::size_t i = 0; i < N; ++i) c[r][i] += x * column[i];
      }
      __builtin_prefetch(a + g.a_block +
                         s * kLanes);  // where A lies in panels: a tile's rows in the next one
      __builtin_prefetch(next);
      __builtin_prefetch(next + kLanes);
      next += kPanel;
      b += kPanel;
      at += g.a_step;
    }
    a += g.a_block;
  }
}

// Bias, sum and tanh of a tile on its way to memory.
template <typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void finish(const V (&c)[R][N], const PanelProduct& g, float* C) {
  const std::size_t whole = g.n / kLanes, rest = g.n % kLanes;
  Vf bias[N] = {};
  if (g.bias != nullptr) {
#pragma GCC unroll 2
    for (std::size_t i = 0; i < N; ++i) {
      const float* from = g.bias + i * kLanes;
      if (i < whole) {
        bias[i] = load(from);
      } else if (rest != 0) {
        bias[i] = load_part(from, rest, 0.0f);
      }
    }
  }
#pragma GCC unroll 16
  for (std::size_t r = 0; r < R; ++r) {
    float* out = C + r * g.ldc;
#pragma GCC unroll 2
    for (std::size_t i = 0; i < N; ++i) {
      float* to = out + i * kLanes;
      const Vf sum = widened(c[r][i]) + bias[i];
      if (i < whole) {
        store(to, g.accumulate ? load(to) + sum : sum);
      } else if (rest != 0) {
        store_part(to, g.accumulate ? load_part(to, rest, 0.0f) + sum : sum, rest);
      }
    }
  }
  if (g.tanh) {
    for (std::size_t r = 0; r < R; ++r) map(C + r * g.ldc, g.n, vtanh);
  }
}

template <typename V, std::size_t R, std::size_t N>
void tile(const PanelProduct& g, std::size_t first) {
  // The first tile fetches; the later ones touch lines that they have anyway, which is cheaper than a branch.
  const float* next = first == 0 && g.next != nullptr ? g.next : g.B;
  float* C = g.C + first * g.ldc;
#pragma GCC unroll 16
  for (std::size_t r = 0; r < R; ++r) {
    __builtin_prefetch(C + r * g.ldc, 1);
    if (N == 2) __builtin_prefetch(C + r * g.ldc + kLanes, 1);
  }
  V c[R][N] = {};
  multiply<V, R, N>(c, g, g.A + first * g.a_row, next);
  finish<V, R, N>(c, g, C);
}

using TileFunction = void (*)(const PanelProduct&, std::size_t);
#if defined(__AVX512F__) || defined(__aarch64__)
#define TIMERNN_TILES(V, N)                                                                            \
  {                                                                                                    \
    nullptr, tile<V, 1, N>, tile<V, 2, N>, tile<V, 3, N>, tile<V, 4, N>, tile<V, 5, N>, tile<V, 6, N>, \
        tile<V, 7, N>, tile<V, 8, N>, tile<V, 9, N>, tile<V, 10, N>, tile<V, 11, N>, tile<V, 12, N>    \
  }
#else
#define TIMERNN_TILES(V, N) \
  { nullptr, tile<V, 1, N>, tile<V, 2, N>, tile<V, 3, N>, tile<V, 4, N>, tile<V, 5, N>, tile<V, 6, N> }
#endif
// Half a vector, one, two: the narrowest that holds the columns.
constexpr TileFunction kTiles[3][kTile + 1] = {TIMERNN_TILES(Vh, 1), TIMERNN_TILES(Vf, 1),
                                               TIMERNN_TILES(Vf, 2)};
#undef TIMERNN_TILES

void gemm_panel(const PanelProduct& g) {
  // Even tiles: 16 rows go as 8 + 8, not as 12 + 4.
  const std::size_t tiles = (g.m + kTile - 1) / kTile;
  const auto& table = kTiles[g.n > kLanes ? 2 : g.n > kHalf ? 1 : 0];
  std::size_t first = 0;
  for (std::size_t t = 0; t < tiles; ++t) {
    const std::size_t rows = (g.m - first + (tiles - t) - 1) / (tiles - t);
    table[rows](g, first);
    first += rows;
  }
}

inline Vf shuffled(Vf a, Vf b, Vi from) {
#if defined(__clang__)
  Vf out{};
  for (std::size_t l = 0; l < kLanes; ++l) {
    const auto i = static_cast<std::size_t>(from[l]);
    out[l] = i < kLanes ? a[i] : b[i - kLanes];
  }
  return out;
#else
  return __builtin_shuffle(a, b, from);
#endif
}

// kLanes×kLanes numbers turned in registers: in each stage, rows a distance apart exchange every other run of
// lanes.
inline void turn(Vf (&v)[kLanes]) {
#pragma GCC unroll 8
  for (std::size_t distance = kLanes / 2; distance > 0; distance /= 2) {
    Vi low{}, high{};
    for (std::size_t l = 0; l < kLanes; ++l) {
      const bool second = (l & distance) != 0;
      low[l] = static_cast<std::int32_t>(second ? kLanes + l - distance : l);
      high[l] = static_cast<std::int32_t>(second ? kLanes + l : l + distance);
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kLanes; ++i) {
      if ((i & distance) != 0) continue;
      const Vf a = v[i], b = v[i + distance];
      v[i] = shuffled(a, b, low);
      v[i + distance] = shuffled(a, b, high);
    }
  }
}

// One panel of Bᵀ: out[r][c] = in[c][r] for r < k, c < width; columns beyond width are zero.
void pack_turned(float* out, const float* in, std::size_t ld, std::size_t k, std::size_t width) {
  std::size_t r = 0;
  for (; r + kLanes <= k; r += kLanes) {
    for (std::size_t c0 = 0; c0 < kPanel; c0 += kLanes) {
      Vf v[kLanes];
#pragma GCC unroll 16
      for (std::size_t c = 0; c < kLanes; ++c) v[c] = c0 + c < width ? load(in + (c0 + c) * ld + r) : Vf{};
      turn(v);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kLanes; ++i) store(out + (r + i) * kPanel + c0, v[i]);
    }
  }
  for (; r < k; ++r) {
    for (std::size_t c = 0; c < kPanel; ++c) out[r * kPanel + c] = c < width ? in[c * ld + r] : 0.0f;
  }
}

// Rows that go from tile to tile together: their lines stay in L1 until the next tile takes the rest of them,
// also where rows lie a power of two apart and share a few sets.
constexpr std::size_t kRowsAtOnce = 8;

// Rows of kHalf to kLanes floats as two halves that overlap: exact, and stores of half a vector seldom cross
// a line.
template <bool scaled>
inline __attribute__((always_inline)) void pack_tile_rows(float* out, const float* in, const TilesPack& p,
                                                          std::size_t rows, std::size_t width,
                                                          const float* scale) {
  const std::size_t second = width - kHalf;
  for (std::size_t r = 0; r < rows; ++r, in += p.ld, out += p.height) {
    Vh a, b;
    __builtin_memcpy(&a, in, sizeof a);
    __builtin_memcpy(&b, in + second, sizeof b);
    if (scaled) {
      a *= scale[r];
      b *= scale[r];
    }
    __builtin_memcpy(out, &a, sizeof a);
    __builtin_memcpy(out + second, &b, sizeof b);
  }
}

template <bool scaled>
void pack_all_tiles(const TilesPack& p) {
  for (std::size_t r = 0; r < p.rows; r += kRowsAtOnce) {
    const std::size_t rows = p.rows - r < kRowsAtOnce ? p.rows - r : kRowsAtOnce;
    const float* scale = scaled ? p.scale + r : nullptr;
    for (std::size_t first = 0; first < p.columns; first += p.height) {
      const std::size_t width = p.columns - first < p.height ? p.columns - first : p.height;
      const float* in = p.in + r * p.ld + first;
      float* out = p.out + first * p.rows + r * p.height;
      if (width >= kHalf && width <= kLanes) {
        pack_tile_rows<scaled>(out, in, p, rows, width, scale);
        continue;
      }
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t c = 0; c < width; ++c) {
          out[i * p.height + c] = scaled ? in[i * p.ld + c] * scale[i] : in[i * p.ld + c];
        }
      }
    }
  }
}

void pack_tiles(const TilesPack& p) {
  p.scale == nullptr ? pack_all_tiles<false>(p) : pack_all_tiles<true>(p);
}

void pack_rows(float* out, const float* in, std::size_t ld, std::size_t rows, std::size_t width) {
  if (width == kPanel) {
    for (std::size_t r = 0; r < rows; ++r, in += ld, out += kPanel) {
      const Vf a = load(in), b = load(in + kLanes);
      store(out, a);
      store(out + kLanes, b);
    }
    return;
  }
  for (std::size_t r = 0; r < rows; ++r, in += ld, out += kPanel) {
    for (std::size_t c = 0; c < kPanel; c += kLanes) {
      const std::size_t n = c >= width ? 0 : width - c < kLanes ? width - c : kLanes;
      store(out + c, n == kLanes ? load(in + c) : n == 0 ? Vf{} : load_part(in + c, n, 0.0f));
    }
  }
}

void turn_tile(float* out, const float* in, std::size_t ld, std::size_t k, std::size_t rows) {
  std::size_t c = 0;
  if (rows <= kLanes) {
    // A vector reaches beyond its column into the next ones, which come later: the last block must leave
    // enough of them.
    for (; c + kLanes <= k && (k - c - kLanes + 1) * rows >= kLanes; c += kLanes) {
      Vf v[kLanes];
#pragma GCC unroll 16
      for (std::size_t r = 0; r < kLanes; ++r) v[r] = r < rows ? load(in + r * ld + c) : Vf{};
      turn(v);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < kLanes; ++i) store(out + (c + i) * rows, v[i]);
    }
  }
  for (; c < k; ++c) {
    for (std::size_t r = 0; r < rows; ++r) out[c * rows + r] = in[r * ld + c];
  }
}
