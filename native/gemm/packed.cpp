// Packing and blocking around gemm_panel; see packed.h.
#include "packed.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace timernn {

namespace {
// Rows of A that stay in L2 while all panels of B pass by.
constexpr std::size_t kRowBlockFloats = 48 * 1024;
// Columns of a weight gradient whose packed block stays in L2.
constexpr std::size_t kOuterColumns = 512;
// Two left factors share a packed right one as long as both nearly fit L2; beyond, they push it out.
constexpr std::size_t kSharedFloats = 320 * 1024;
// Multiply-adds of a part of a weight gradient that threads divide among them: an eighth of it, within what
// takes a few microseconds and some tenths of a millisecond.
constexpr std::size_t kLeastPart = std::size_t{1} << 18, kMostPart = std::size_t{8} << 20;

std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

GemmPath choose() {
  const char* wanted = std::getenv("TIMERNN_GEMM");
  const std::string name = wanted == nullptr ? "auto" : wanted;
  if (name == "blas") return GemmPath::blas;
  if (name == "packed") return GemmPath::packed;
  return std::string("generic") == kernels().isa ? GemmPath::blas : GemmPath::packed;
}
}  // namespace

GemmPath gemm_path() {
  static const GemmPath chosen = choose();  // immutable after the first call
  return chosen;
}

std::size_t packed_floats(std::size_t k, std::size_t n) {
  return round_up(n, kernels().panel) * k;
}

namespace {
// Rows that go into panel after panel together; see kRowsAtOnce in panel.inl.
constexpr std::size_t kRowsAtOnce = 8;
}  // namespace

void pack(const Pack& p) {
  const std::size_t panel = kernels().panel, stride = panel * (p.panel_k == 0 ? p.k : p.panel_k);
  const std::size_t at_once = p.transposed ? p.k : kRowsAtOnce;
  for (std::size_t r = 0; r < p.k; r += at_once) {
    const std::size_t rows = std::min(at_once, p.k - r);
    for (std::size_t first = 0; first < p.n; first += panel) {
      float* out = p.out + first / panel * stride + r * panel;
      const std::size_t width = std::min(panel, p.n - first);
      if (p.transposed) {
        kernels().pack_turned(out, p.B + first * p.ld, p.ld, rows, width);
      } else {
        kernels().pack_rows(out, p.B + r * p.ld + first, p.ld, rows, width);
      }
    }
  }
}

std::size_t even_tile_height(std::size_t rows) {
  const std::size_t tile = kernels().tile, tiles = (rows + tile - 1) / tile;
  return (rows + tiles - 1) / tiles;
}

std::size_t even_depth(std::size_t k) {
  const std::size_t parts = std::max<std::size_t>(1, (k + kernels().depth - 1) / kernels().depth);
  return (k + parts - 1) / parts;
}

const float* fetched_meanwhile(const float* rows, const float* next) {
  return kernels().ahead != 0 ? rows + kernels().ahead : next;
}

std::size_t tiled_rows(std::size_t k, std::size_t height) {
  return std::max<std::size_t>(1, kRowBlockFloats / k / height) * height;
}

namespace {
// Rows of A that are multiplied together with all panels of B.
std::size_t row_block(std::size_t k) {
  return tiled_rows(k, kernels().tile);
}

// Rows [s, s + depth) of the panel of B at column `first`, for rows of C from r on; A is set by the caller.
PanelProduct panel_product(const PackedGemm& g, std::size_t r, std::size_t first, std::size_t s,
                           std::size_t depth) {
  PanelProduct p{};
  p.C = g.C + r * g.ldc + first;
  p.ldc = g.ldc;
  p.B = g.B + first * g.k + s * kernels().panel;
  p.n = std::min(kernels().panel, g.n - first);
  p.k = std::min(depth, g.k - s);
  // After the last panel comes the first, for the next rows or at the next step.
  const bool last = first + p.n == g.n && s + p.k == g.k;
  p.next = fetched_meanwhile(p.B, last ? g.B : p.B + p.k * kernels().panel);
  p.accumulate = g.accumulate || s > 0;
  if (s + p.k < g.k) return p;
  p.tanh = g.tanh;
  if (g.bias != nullptr) p.bias = g.bias + first;
  return p;
}

// Rows [r, r + rows) of C; those of A go into tiles first where `tiled`.
void multiply_rows(const PackedGemm& g, std::size_t r, std::size_t rows, bool tiled) {
  const std::size_t height = even_tile_height(rows), depth = even_depth(g.k);
  for (std::size_t t = 0; tiled && t < rows; t += height) {
    kernels().turn_tile(g.scratch + t * g.k, g.A + (r + t) * g.lda, g.lda, g.k, std::min(height, rows - t));
  }
  for (std::size_t first = 0; first < g.n; first += kernels().panel) {
    for (std::size_t s = 0; s < g.k; s += depth) {
      PanelProduct p = panel_product(g, r, first, s, depth);
      p.m = rows;
      p.height = height;
      if (tiled) {
        p.A = g.scratch;
        p.a_tile = height * g.k;
        p.a_first = s;
      } else {
        p.A = g.A + r * g.lda + s;
        p.a_row = g.lda;
        p.a_step = 1;
      }
      kernels().gemm_panel(p);
    }
  }
}
}  // namespace

std::size_t gemm_scratch_floats(std::size_t m, std::size_t k) {
  return std::min(m, row_block(k)) * k;
}

void gemm_packed(const PackedGemm& g) {
  // Turning pays where many panels read the tiles, and where rows would push each other out of L1 (64 sets of
  // 64 bytes).
  constexpr std::size_t kTiledPanels = 6, kSetFloats = 1024;
  const bool many = g.n >= kTiledPanels * kernels().panel;
  const bool tiled = g.scratch != nullptr && (many || (g.lda % kSetFloats == 0 && g.n > kernels().panel));
  const std::size_t block = row_block(g.k);
  for (std::size_t r = 0; r < g.m; r += block) multiply_rows(g, r, std::min(block, g.m - r), tiled);
}

namespace {
// Even blocks of rows: 700 go as 350 and 350, not as 512 and 188.
std::size_t outer_rows(std::size_t k) {
  const std::size_t blocks = (k + kOuterRows - 1) / kOuterRows;
  return (k + blocks - 1) / blocks;
}

// What one left factor's rows [r0, r0 + k), in tiles, and packed columns of B add to a rectangle of C.
struct OuterBlock {
  float* C;  ///< of the left factor, column 0
  std::size_t ldc;
  const float* tiles;    ///< of all its columns
  const float* columns;  ///< of B, from `part.column` on
  std::size_t height, k;
  bool accumulate, fetch_next;  ///< the latter: what comes after the rows of B that are multiplied
  OuterPart part;
};

void multiply_block(const OuterBlock& b) {
  const std::size_t panel = kernels().panel, k = b.k, width = b.part.columns, end = b.part.row + b.part.rows;
  const std::size_t depth = even_depth(k), block = tiled_rows(k, b.height);
  PanelProduct p{};
  p.ldc = b.ldc;
  p.a_tile = b.height * k;
  p.height = b.height;
  for (std::size_t m = b.part.row; m < end; m += block) {
    p.A = b.tiles + m * k;
    p.m = std::min(block, end - m);
    for (std::size_t c = 0; c < width; c += panel) {
      p.C = b.C + m * b.ldc + b.part.column + c;
      p.n = std::min(panel, width - c);
      for (std::size_t s = 0; s < k; s += depth) {
        p.a_first = s;
        p.B = b.columns + c * k + s * panel;
        p.k = std::min(depth, k - s);
        if (b.fetch_next) p.next = c + p.n == width && s + p.k == k ? b.columns : p.B + p.k * panel;
        p.accumulate = b.accumulate || s != 0;
        kernels().gemm_panel(p);
      }
    }
  }
}
}  // namespace

std::size_t outer_scratch_floats(std::size_t m, std::size_t n, std::size_t k) {
  // Not outer_rows(k): a shorter window may have larger blocks (513 rows go as 257, 512 as 512).
  const std::size_t rows = std::min(k, kOuterRows), height = even_tile_height(m);
  return rows * (2 * round_up(m, height) + round_up(std::min(n, kOuterColumns), kernels().panel));
}

void gemm_outer(const OuterGemm& g, float* scratch) {
  const std::size_t at_once = outer_rows(g.k);
  if (g.count == 2 && (g.lefts[0].m + g.lefts[1].m) * at_once > kSharedFloats) {
    gemm_outer({g.lefts, 1, g.B, g.n, g.k, g.ldb}, scratch);
    gemm_outer({g.lefts + 1, 1, g.B, g.n, g.k, g.ldb}, scratch);
    return;
  }
  float* tiles = scratch + at_once * round_up(std::min(g.n, kOuterColumns), kernels().panel);
  for (std::size_t r0 = 0; r0 < g.k; r0 += at_once) {
    const std::size_t k = std::min(at_once, g.k - r0);
    for (std::size_t c0 = 0; c0 < g.n; c0 += kOuterColumns) {
      const std::size_t width = std::min(kOuterColumns, g.n - c0);
      pack({scratch, g.B + r0 * g.ldb + c0, k, width, g.ldb});
      float* at = tiles;
      for (std::size_t i = 0; i < g.count; ++i) {
        const OuterLeft& left = g.lefts[i];
        const std::size_t height = even_tile_height(left.m);
        if (c0 == 0) kernels().pack_tiles({at, left.A + r0 * left.lda, left.lda, k, left.m, height});
        multiply_block({left.C,
                        left.ldc,
                        at,
                        scratch,
                        height,
                        k,
                        r0 != 0,
                        kernels().ahead == 0,
                        {0, left.m, c0, width}});
        at += k * round_up(left.m, height);
      }
    }
  }
}

std::size_t outer_tiles_floats(std::size_t m, std::size_t k) {
  return k * round_up(m, even_tile_height(m));
}

std::size_t outer_panels_floats(std::size_t n, std::size_t k) {
  return packed_floats(k, n);
}

void pack_outer_tiles(float* tiles, const float* A, std::size_t lda, std::size_t m, std::size_t k) {
  const std::size_t at_once = outer_rows(k), height = even_tile_height(m);
  for (std::size_t r = 0; r < k; r += at_once) {
    const std::size_t rows = std::min(at_once, k - r);
    kernels().pack_tiles({tiles + outer_tiles_floats(m, r), A + r * lda, lda, rows, m, height});
  }
}

void pack_outer_panels(float* panels, const float* B, std::size_t ldb, std::size_t n, std::size_t k) {
  const std::size_t at_once = outer_rows(k);
  for (std::size_t r = 0; r < k; r += at_once) {
    pack({panels + packed_floats(r, n), B + r * ldb, std::min(at_once, k - r), n, ldb});
  }
}

std::size_t part_panels(std::size_t rows, std::size_t m, std::size_t n, std::size_t k) {
  const std::size_t products = std::clamp(m * n / 8 * k, kLeastPart, kMostPart);
  return std::max<std::size_t>(1, products / (rows * k * kernels().panel));
}

namespace {
// Rows and columns of a part: as many rows as stay in L2.
struct PartSize {
  std::size_t rows, columns;
};
PartSize part_size(std::size_t m, std::size_t n, std::size_t k) {
  const std::size_t rows = std::min(m, tiled_rows(outer_rows(k), even_tile_height(m)));
  return {rows, part_panels(rows, m, n, k) * kernels().panel};
}
}  // namespace

std::size_t outer_parts(std::size_t m, std::size_t n, std::size_t k) {
  const auto [rows, columns] = part_size(m, n, k);
  return (m + rows - 1) / rows * ((n + columns - 1) / columns);
}

OuterPart outer_part(std::size_t m, std::size_t n, std::size_t k, std::size_t part) {
  const auto [rows, columns] = part_size(m, n, k);
  const std::size_t across = (n + columns - 1) / columns;
  const std::size_t row = part / across * rows, column = part % across * columns;
  return {row, std::min(rows, m - row), column, std::min(columns, n - column)};
}

void multiply_outer(const PackedOuter& g, const OuterPart& part) {
  const std::size_t at_once = outer_rows(g.k), height = even_tile_height(g.m);
  for (std::size_t r = 0; r < g.k; r += at_once) {
    const std::size_t k = std::min(at_once, g.k - r);
    const float* columns = g.panels + packed_floats(r, g.n) + part.column * k;
    multiply_block({g.C, g.ldc, g.tiles + outer_tiles_floats(g.m, r), columns, height, k,
                    g.accumulate || r != 0, true, part});
  }
}

}  // namespace timernn
