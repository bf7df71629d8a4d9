// The register-tiled product of packed panels; included by math/kernels.inl, once an instruction set.
//
// One panel holds kPanel = 2 vectors of columns of B, row after row, so the inner loop reads it in order. A
// tile keeps up to kTile rows × 2 vectors of C in registers: per step of k, two loads of B, one broadcast of
// A a row, and two fused multiply-adds a row. With 32 registers 12 rows fit, with 16 registers 6. Refuses to
// do: packing and blocking (see packed.cpp).

constexpr std::size_t kPanel = 2 * kLanes;
constexpr std::size_t kLine = 16;  // floats of a cache line
// kDepth: rows of a panel that tile after tile reads before the next ones. Tiles of 6 rows read a byte of B
// for two multiply-adds, more than L2 gives for long, so their rows must fit L1 beside a tile of A; tiles of
// 12 rows are content with L2.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr std::size_t kTile = 12, kDepth = std::size_t{1} << 20;
#else
constexpr std::size_t kTile = 6, kDepth = 384;
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
inline void narrowed(Vf& to, Vf v) {
  to = v;
}
inline void narrowed(Vh& to, Vf v) {
  __builtin_memcpy(&to, &v, sizeof to);
}

// How A lies; see PanelProduct. Where its strides are known, a step of k needs no addresses of its own.
// `rows` has a_step = 1. With 32 registers a step has multiply-adds enough to hide its addresses, and
// `generic` is not about speed: there `any` serves for rows and tiles as well, which spares the compiler half
// of the functions.
enum class Left { any, panels, rows, tiles };
#if defined(__AVX2__) && !defined(__AVX512F__)
#define TIMERNN_KNOWN_STRIDES 1
#else
#define TIMERNN_KNOWN_STRIDES 0
#endif
constexpr bool kKnownStrides = TIMERNN_KNOWN_STRIDES;
// kAhead: what to fetch meanwhile, in floats from what is multiplied; 0: the rows that the next call reads.
// kFetchers: the first tiles of a call, which fetch it. Two need to go through memory only half as fast as
// through B; see docs/decisions/0024.
constexpr std::size_t kAhead = kKnownStrides ? 0 : 1024, kFetchers = kKnownStrides ? 2 : 1;
// Steps of k that are one run of instructions. With a sanitizer's checks between them eight take the compiler
// minutes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kUnrolled = 2;
#else
constexpr std::size_t kUnrolled = 8;
#endif

// c += x · y, and a number in all lanes. As instructions of their own where there are 16 registers: from
// expressions GCC makes forms of the first that overwrite a factor, then copies and spills the twelve sums,
// and gathers numbers of several steps that lie side by side only to take them apart again
// (docs/decisions/0022).
template <typename V>
inline __attribute__((always_inline)) void multiply_add(V& c, V x, V y) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  asm("vfmadd231ps %2, %1, %0" : "+x"(c) : "x"(x), "x"(y));
#else
  c += x * y;
#endif
}
template <typename V>
inline __attribute__((always_inline)) V broadcast(const float& x) {
  // A sanitizer does not see what an asm reads.
#if defined(__AVX2__) && !defined(__AVX512F__) && !defined(__SANITIZE_ADDRESS__)
  V v;
  asm("vbroadcastss %1, %0" : "=x"(v) : "m"(x));
  return v;
#else
  return x - V{};  // see splat()
#endif
}

// Addresses of R rows a distance apart: each pointer serves three, the most that one index register reaches.
template <std::size_t R>
struct Rows {
  const float* at[(R + 2) / 3];
  std::size_t distance;

  Rows(const float* a, std::size_t row) : distance(row) {
    for (std::size_t i = 0; i < (R + 2) / 3; ++i) at[i] = a + 3 * i * row;
  }
  void move(std::size_t steps) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < (R + 2) / 3; ++i) at[i] += steps;
  }
};

// One step of k, the s-th from where `a` and b are: two loads of B, a broadcast a row, N multiply-adds a row.
template <Left left, typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void step(V (&c)[R][N], const Rows<R>& a, std::size_t a_step,
                                                const float* b, std::size_t s) {
  V column[N];
#pragma GCC unroll 2
  for (std::size_t i = 0; i < N; ++i) __builtin_memcpy(&column[i], b + s * kPanel + i * kLanes, sizeof(V));
#pragma GCC unroll 16
  for (std::size_t r = 0; r < R; ++r) {
    const float* at = left == Left::tiles    ? a.at[0] + s * R + r
                      : left == Left::panels ? a.at[0] + s + r * kPanel
                                             : a.at[r / 3] + s * a_step + r % 3 * a.distance;
    const V x = broadcast<V>(*at);
#pragma GCC unroll 2
    for (std::size_t i = 0; i < N; ++i) multiply_add(c[r][i], x, column[i]);
  }
}

inline __attribute__((always_inline)) void fetch_row(const float* at) {
#pragma GCC unroll 2
  for (std::size_t line = 0; line < kPanel; line += kLine) __builtin_prefetch(at + line);
}

// The line that holds the last of the kLine floats from C + offset on: where rows do not begin with a line,
// the panel before has brought the other one. An address, not a pointer: the last tile of rows may be
// narrower.
inline __attribute__((always_inline)) void fetch_line_end(const float* C, std::size_t offset) {
  const auto address = reinterpret_cast<std::uintptr_t>(C) + (offset + kLine - 1) * sizeof(float);
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1);
}

// Floats from one row of `next` to be fetched to the following one: where there is one tile, it fetches its
// half of the rows all over `next`, and the hardware the neighbours.
inline std::size_t fetch_distance(const PanelProduct& g) {
  return g.m <= g.height ? kFetchers * kPanel : kPanel;
}
// Rows of `next` that the first tile fetches.
inline std::size_t first_fetched(const PanelProduct& g) {
  return g.k / kUnrolled * kUnrolled / kFetchers;
}

// `steps` steps of k. `fetch`: a row of `next` in kFetchers steps, `distance` floats apart.
template <Left left, bool fetch, typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void steps_of(V (&c)[R][N], const PanelProduct& g, std::size_t steps,
                                                    const float* a, const float* b, const float* next,
                                                    std::size_t distance) {
  constexpr std::size_t kUnroll = left == Left::any || !kKnownStrides ? 1 : kUnrolled;
  // Tiles lie R side by side, whichever function reads them.
  const bool tiles = left == Left::tiles || (left == Left::any && g.a_tile != 0);
  const std::size_t a_step = tiles ? R : left == Left::any ? g.a_step : 1;
  Rows<R> at(a, tiles ? 1 : g.a_row);
  for (; steps >= kUnroll; steps -= kUnroll) {
#pragma GCC unroll 8
    for (std::size_t u = 0; u < kUnroll; ++u) {
      step<left, V, R, N>(c, at, a_step, b, u);
      if (!fetch || u % kFetchers != 0) continue;
      fetch_row(next);
      next += distance;
    }
    at.move(kUnroll * a_step);
    b += kUnroll * kPanel;
  }
  // The few steps that are no whole run: what they would fetch is left to the hardware.
  for (; steps > 0; --steps) {
    step<left, V, R, N>(c, at, a_step, b, 0);
    at.move(a_step);
    b += kPanel;
  }
}

// Sums of R rows × N vectors over all of k, in registers, on top of what is in c.
template <Left left, bool fetch, typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void multiply(V (&c)[R][N], const PanelProduct& g, const float* a,
                                                    const float* next) {
  const std::size_t distance = fetch_distance(g);
  if (left != Left::panels) {
    steps_of<left, fetch, V, R, N>(c, g, g.k, a, g.B, next, distance);
    return;
  }
  for (std::size_t k0 = 0; k0 < g.k; k0 += kPanel, a += g.a_block) {
    const std::size_t steps = g.k - k0 < kPanel ? g.k - k0 : kPanel;
#pragma GCC unroll 16
    for (std::size_t r = 0; r < R; ++r)
      fetch_row(a + g.a_block + r * kPanel);  // these rows in the next panel
    steps_of<left, fetch, V, R, N>(c, g, steps, a, g.B + k0 * kPanel,
                                   fetch ? next + k0 / kFetchers * distance : nullptr, distance);
  }
}

// What a sum starts from: zero, or what is there. So a product that goes through k in parts has the same bits
// as one that goes through it at once.
template <typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void start(V (&c)[R][N], const PanelProduct& g, const float* C) {
  const std::size_t whole = g.n / kLanes, rest = g.n % kLanes;
#pragma GCC unroll 16
  for (std::size_t r = 0; r < R; ++r) {
    const float* from = C + r * g.ldc;
#pragma GCC unroll 2
    for (std::size_t i = 0; i < N; ++i) {
      if (i < whole) {
        narrowed(c[r][i], load(from + i * kLanes));
      } else if (rest != 0) {
        narrowed(c[r][i], load_part(from + i * kLanes, rest, 0.0f));
      }
    }
  }
}

// Bias and tanh of a tile on its way to memory.
template <typename V, std::size_t R, std::size_t N>
inline __attribute__((always_inline)) void finish(const V (&c)[R][N], const PanelProduct& g, float* C) {
  const std::size_t whole = g.n / kLanes, rest = g.n % kLanes;
#pragma GCC unroll 2
  for (std::size_t i = 0; i < N; ++i) {
    if (i >= whole && rest == 0) continue;
    // Without one −0 is added, which changes nothing; +0 would make +0 of −0, and parts of k would differ
    // from one pass.
    Vf bias = splat(-0.0f);
    if (g.bias != nullptr) {
      bias = i < whole ? load(g.bias + i * kLanes) : load_part(g.bias + i * kLanes, rest, 0.0f);
    }
    float* to = C + i * kLanes;
#pragma GCC unroll 16
    for (std::size_t r = 0; r < R; ++r, to += g.ldc) {
      const Vf sum = widened(c[r][i]) + bias;
      i < whole ? store(to, sum) : store_part(to, sum, rest);
    }
  }
  if (g.tanh) {
    for (std::size_t r = 0; r < R; ++r) map(C + r * g.ldc, g.n, vtanh);
  }
}

// Rows [first, first + R) of C; `a` is what they begin with. The first tiles fetch for all. With 32 registers
// the later ones fetch what they read anyway, which costs less than tiles of their own.
template <Left left, typename V, std::size_t R, std::size_t N>
void tile(const PanelProduct& g, std::size_t first, const float* a) {
  float* C = g.C + first * g.ldc;
  V c[R][N] = {};
  if (g.accumulate) start<V, R, N>(c, g, C);
  // Sums are written at the end of a tile; where they start from C they are read at once, by the next tile.
  if (!g.accumulate || first + R < g.m) {
    const std::size_t row = g.accumulate ? R : 0;
#pragma GCC unroll 16
    for (std::size_t r = 0; r < R; ++r) {
      for (std::size_t i = 0; i < N * kLanes; i += kLine) fetch_line_end(C, (row + r) * g.ldc + i);
    }
  }
  const bool fetches = !kKnownStrides || left != Left::any;
  const bool fetch = fetches && first < kFetchers * g.height && g.next != nullptr;
  if (!kKnownStrides) {
    multiply<left, true, V, R, N>(c, g, a, fetch ? g.next : g.B);
  } else if (fetch) {
    multiply<left, true, V, R, N>(c, g, a, first == 0 ? g.next : g.next + first_fetched(g) * kPanel);
  } else {
    multiply<left, false, V, R, N>(c, g, a, nullptr);
  }
  finish<V, R, N>(c, g, C);
}

using TileFunction = void (*)(const PanelProduct&, std::size_t, const float*);
#if defined(__AVX512F__) || defined(__aarch64__)
#define TIMERNN_TILES(L, V, N)                                                                         \
  {                                                                                                    \
    nullptr, tile<L, V, 1, N>, tile<L, V, 2, N>, tile<L, V, 3, N>, tile<L, V, 4, N>, tile<L, V, 5, N>, \
        tile<L, V, 6, N>, tile<L, V, 7, N>, tile<L, V, 8, N>, tile<L, V, 9, N>, tile<L, V, 10, N>,     \
        tile<L, V, 11, N>, tile<L, V, 12, N>                                                           \
  }
#else
#define TIMERNN_TILES(L, V, N)                                                                         \
  {                                                                                                    \
    nullptr, tile<L, V, 1, N>, tile<L, V, 2, N>, tile<L, V, 3, N>, tile<L, V, 4, N>, tile<L, V, 5, N>, \
        tile<L, V, 6, N>                                                                               \
  }
#endif
// Half a vector, one, two: the narrowest that holds the columns.
#define TIMERNN_WIDTHS(L) \
  { TIMERNN_TILES(L, Vh, 1), TIMERNN_TILES(L, Vf, 1), TIMERNN_TILES(L, Vf, 2) }
constexpr TileFunction kTiles[][3][kTile + 1] = {TIMERNN_WIDTHS(Left::any), TIMERNN_WIDTHS(Left::panels),
#if TIMERNN_KNOWN_STRIDES
                                                 TIMERNN_WIDTHS(Left::rows), TIMERNN_WIDTHS(Left::tiles)
#endif
};
#undef TIMERNN_WIDTHS
#undef TIMERNN_KNOWN_STRIDES
#undef TIMERNN_TILES

void gemm_panel(const PanelProduct& g) {
  const bool tiles = g.a_tile != 0;
  const Left left = g.a_block != 0   ? Left::panels
                    : !kKnownStrides ? Left::any
                    : tiles          ? Left::tiles
                    : g.a_step == 1  ? Left::rows
                                     : Left::any;
  const auto& table = kTiles[static_cast<std::size_t>(left)][g.n > kLanes ? 2 : g.n > kHalf ? 1 : 0];
  const float* a = g.A;
  for (std::size_t first = 0; first < g.m; first += g.height) {
    const std::size_t rows = g.m - first < g.height ? g.m - first : g.height;
    table[rows](g, first, tiles ? a + g.a_first * rows : a);
    a += tiles ? g.a_tile : g.height * g.a_row;
  }
}

template <class V>
inline V shuffled(V a, V b, Vi from) {
#if defined(__clang__)
  V out{};
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
  const std::size_t second = width - kHalf, step = p.panels ? p.height : width;
  for (std::size_t r = 0; r < rows; ++r, in += p.ld, out += step) {
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
      const std::size_t step = p.panels ? p.height : width;
      float* out = p.out + first * p.rows + r * step;
      if (width >= kHalf && width <= kLanes) {
        pack_tile_rows<scaled>(out, in, p, rows, width, scale);
        continue;
      }
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t c = 0; c < width; ++c) {
          out[i * step + c] = scaled ? in[i * p.ld + c] * scale[i] : in[i * p.ld + c];
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
