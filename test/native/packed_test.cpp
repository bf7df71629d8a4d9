// Products on packed operands against plain loops in double; run once for each instruction set.
#include "gemm/packed.h"

#include <algorithm>

#include "gemm/linear.h"
#include "helpers.h"

namespace timernn::test {
namespace {

double at(const std::vector<float>& x, std::size_t i) {
  return static_cast<double>(x[i]);
}
/// The error of a sum of k products in any order, in units of the sum of their sizes.
double bound(std::size_t k) {
  return static_cast<double>(k + 2) * 0x1.0p-24;
}

struct Sizes {
  std::size_t m, n, k;
};

enum class Lie { rows, turned, tiles };

// A of a product, whose element (r, l) is `plain`[r·k + l], as it lies; `skipped` steps of k come before the
// first.
std::vector<float> laid(const std::vector<float>& plain, const Sizes& s, Lie lie, std::size_t height,
                        std::size_t skipped) {
  const std::size_t k = s.k + skipped;
  std::vector<float> out(s.m * k, 1e30f);
  for (std::size_t r = 0; r < s.m; ++r) {
    const std::size_t t = r / height, rows = std::min(height, s.m - t * height);
    for (std::size_t l = 0; l < s.k; ++l) {
      const std::size_t to = lie == Lie::rows     ? r * s.k + l
                             : lie == Lie::turned ? l * s.m + r
                                                  : t * height * k + (skipped + l) * rows + r % height;
      out[to] = plain[r * s.k + l];
    }
  }
  return out;
}

void check_panel(const Sizes& s, bool accumulate, bool tanh, Lie lie) {
  Random random(s.m * 1000 + s.n * 10 + s.k);
  const std::vector<float> plain = random.floats(s.m * s.k, 1.0), before = random.floats(s.m * s.n, 1.0);
  // Columns beyond n may hold anything that is finite, and must not come out.
  const std::vector<float> B = random.floats(s.k * kernels().panel, 1.0);
  const std::size_t height = even_tile_height(s.m), skipped = lie == Lie::tiles ? 3 : 0;
  const std::vector<float> A = laid(plain, s, lie, height, skipped);
  Guarded C(before, 1);
  PanelProduct p{};
  p.C = C.data();
  p.ldc = s.n;
  p.A = A.data();
  p.a_row = lie == Lie::rows ? s.k : 1;
  p.a_step = lie == Lie::rows ? 1 : s.m;
  p.a_tile = lie == Lie::tiles ? height * (s.k + skipped) : 0;
  p.a_first = skipped;
  p.B = B.data();
  p.m = s.m;
  p.n = s.n;
  p.k = s.k;
  p.height = height;
  p.accumulate = accumulate;
  p.tanh = tanh;
  kernels().gemm_panel(p);
  CHECK(C.intact());
  for (std::size_t r = 0; r < s.m; ++r) {
    for (std::size_t c = 0; c < s.n; ++c) {
      double sum = accumulate ? at(before, r * s.n + c) : 0.0, size = std::fabs(sum);
      for (std::size_t l = 0; l < s.k; ++l) {
        const double term = at(plain, r * s.k + l) * at(B, l * kernels().panel + c);
        sum += term;
        size += std::fabs(term);
      }
      // tanh has a slope of at most 1, and an error of its own of 1.4 ulp.
      CHECK_NEAR(C[r * s.n + c], tanh ? std::tanh(sum) : sum, bound(s.k) * size + (tanh ? 0x1.8p-24 : 0.0));
    }
  }
}

TEST("gemm_panel: every height of tile and width of panel, every layout of A, accumulating and with tanh") {
  for (std::size_t m = 1; m <= kernels().tile + 2; ++m) {
    for (std::size_t n = 1; n <= kernels().panel; ++n) {
      for (std::size_t k : {1, 2, 37}) {
        check_panel({m, n, k}, false, false, Lie::rows);
        check_panel({m, n, k}, true, k == 2, Lie::turned);
        check_panel({m, n, k}, k == 1, k == 37, Lie::tiles);
      }
    }
  }
}

TEST("gemm_panel: A that lies in panels itself") {
  const std::size_t panel = kernels().panel, m = 7, k = 2 * panel + 5, n = 3;
  Random random(k);
  // Element (r, s) of A at [s / panel][r][s % panel], with a gap between the panels.
  const std::size_t distance = m * panel + 16;
  const std::vector<float> A = random.floats(3 * distance, 1.0), B = random.floats(k * panel, 1.0);
  Guarded C(m * n, 0);
  PanelProduct p{};
  p.C = C.data();
  p.ldc = n;
  p.A = A.data();
  p.a_row = panel;
  p.a_block = distance;
  p.B = B.data();
  p.m = m;
  p.n = n;
  p.k = k;
  p.height = even_tile_height(m);
  p.next = B.data();
  kernels().gemm_panel(p);
  CHECK(C.intact());
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t c = 0; c < n; ++c) {
      double sum = 0.0, size = 0.0;
      for (std::size_t s = 0; s < k; ++s) {
        const double term = at(A, s / panel * distance + r * panel + s % panel) * at(B, s * panel + c);
        sum += term;
        size += std::fabs(term);
      }
      CHECK_NEAR(C[r * n + c], sum, bound(k) * size);
    }
  }
}

TEST("a product in parts of k has the bits of one that goes through it at once") {
  const std::size_t m = kernels().tile + 2, n = 11, k = 61, height = even_tile_height(m);
  Random random(9);
  const std::vector<float> plain = random.floats(m * k, 1.0), B = random.floats(k * kernels().panel, 1.0);
  for (const Lie lie : {Lie::rows, Lie::tiles}) {
    const std::vector<float> A = laid(plain, {m, n, k}, lie, height, 0);
    Guarded whole(m * n, 0), parts(m * n, 0);
    PanelProduct p{};
    p.ldc = n;
    p.a_row = k;
    p.a_step = 1;
    p.a_tile = lie == Lie::tiles ? height * k : 0;
    p.m = m;
    p.n = n;
    p.height = height;
    const auto multiply = [&](Guarded& C, std::size_t from, std::size_t to) {
      p.C = C.data();
      p.A = A.data() + (lie == Lie::rows ? from : 0);
      p.a_first = from;
      p.B = B.data() + from * kernels().panel;
      p.k = to - from;
      p.accumulate = from > 0;
      kernels().gemm_panel(p);
    };
    multiply(whole, 0, k);
    multiply(parts, 0, 20);
    multiply(parts, 20, k);
    for (std::size_t i = 0; i < m * n; ++i) CHECK_EQ(whole[i], parts[i]);
  }
}

void check_packed(const Sizes& s, bool transposed, bool accumulate) {
  Random random(s.m + s.n + s.k);
  const std::size_t lda = s.k + 3, ldc = s.n + 2, ld = (transposed ? s.k : s.n) + 1;
  const std::vector<float> A = random.floats(s.m * lda, 1.0), before = random.floats(s.m * ldc, 1.0);
  const std::vector<float> B = random.floats((transposed ? s.n : s.k) * ld, 1.0);
  Guarded packed(packed_floats(s.k, s.n), 0), C(before, 0);
  pack({packed.data(), B.data(), s.k, s.n, ld, transposed});
  CHECK(packed.intact());
  gemm_packed({C.data(), A.data(), packed.data(), s.m, s.n, s.k, ldc, lda, accumulate, false});
  CHECK(C.intact());
  for (std::size_t r = 0; r < s.m; ++r) {
    for (std::size_t c = 0; c < s.n; ++c) {
      double sum = accumulate ? at(before, r * ldc + c) : 0.0, size = std::fabs(sum);
      for (std::size_t l = 0; l < s.k; ++l) {
        const double term = at(A, r * lda + l) * at(B, transposed ? c * ld + l : l * ld + c);
        sum += term;
        size += std::fabs(term);
      }
      CHECK_NEAR(C[r * ldc + c], sum, bound(s.k) * size);
    }
    for (std::size_t c = s.n; c < ldc; ++c) CHECK_EQ(C[r * ldc + c], before[r * ldc + c]);
  }
}

TEST("pack and gemm_packed: odd sizes, leading dimensions with gaps, both orientations") {
  for (const Sizes& s :
       {Sizes{1, 1, 1}, {2, 5, 3}, {13, 33, 17}, {40, 65, 70}, {25, 31, 64}, {7, 100, 129}}) {
    for (bool transposed : {false, true}) {
      for (bool accumulate : {false, true}) check_packed(s, transposed, accumulate);
    }
  }
  check_packed({130, 40, 1000}, false, true);  // more rows than a block
}

TEST("gemm_packed: a bias is added to every row, before tanh") {
  const std::size_t panel = kernels().panel;
  for (const std::size_t n : {std::size_t{1}, panel / 2 + 1, panel, 2 * panel + 3}) {
    const std::size_t m = 5, k = 7;
    Random random(n);
    const std::vector<float> A = random.floats(m * k, 0.5), B = random.floats(k * n, 0.5);
    const std::vector<float> before = random.floats(m * n, 0.5);
    std::vector<float> packed(packed_floats(k, n));
    Guarded bias(random.floats(n, 0.5), 0);
    pack({packed.data(), B.data(), k, n, n});
    for (bool accumulate : {false, true}) {
      Guarded C(before, 1);
      gemm_packed({C.data(), A.data(), packed.data(), m, n, k, n, k, accumulate, true, bias.data()});
      CHECK(C.intact() && bias.intact());
      for (std::size_t i = 0; i < m * n; ++i) {
        double sum = at(bias.values(), i % n) + (accumulate ? at(before, i) : 0.0);
        for (std::size_t l = 0; l < k; ++l) sum += at(A, i / n * k + l) * at(B, l * n + i % n);
        CHECK_NEAR(C[i], std::tanh(sum), 4.0 * bound(k));
      }
    }
  }
}

// Tiles, or panels, whose last one keeps the width of the others.
void check_tiles(const TilesPack& p) {
  const std::size_t tiles = (p.columns + p.height - 1) / p.height;
  Guarded out(p.panels ? tiles * p.height * p.rows : p.columns * p.rows, 0);
  TilesPack to = p;
  to.out = out.data();
  kernels().pack_tiles(to);
  CHECK(out.intact());
  for (std::size_t r = 0; r < p.rows; ++r) {
    for (std::size_t c = 0; c < p.columns; ++c) {
      const std::size_t first = c / p.height * p.height;
      const std::size_t width = p.panels ? p.height : std::min(p.height, p.columns - first);
      const float wanted = p.in[r * p.ld + c] * (p.scale == nullptr ? 1.0f : p.scale[r]);
      CHECK_EQ(out[first * p.rows + r * width + c % p.height], wanted);
    }
  }
}

TEST("pack_tiles, turn_tile, pack_rows: every number in its place, nothing beyond, at odd sizes") {
  for (std::size_t rows : {1, 2, 7, 8, 9, 17}) {
    for (std::size_t columns : {1, 3, 7, 8, 11, 12, 13, 24, 25, 37}) {
      const std::size_t ld = columns + rows % 3;
      Random random(rows * 100 + columns);
      Guarded in(random.floats((rows - 1) * ld + columns, 1.0), 1);
      const std::vector<float> scale = random.floats(rows, 2.0);
      for (std::size_t height = 1; height <= std::min(columns, kernels().tile); ++height) {
        for (const float* factor : {static_cast<const float*>(nullptr), scale.data()}) {
          check_tiles({nullptr, in.data(), ld, rows, columns, height, factor, false});
          check_tiles({nullptr, in.data(), ld, rows, columns, height, factor, true});
        }
      }
      CHECK(in.intact());
      Guarded turned(rows * columns, 0);
      kernels().turn_tile(turned.data(), in.data(), ld, columns, rows);
      CHECK(turned.intact() && in.intact());
      const std::size_t panel = kernels().panel, width = std::min(columns, panel);
      Guarded panels(rows * panel, 0);
      kernels().pack_rows(panels.data(), in.data(), ld, rows, width);
      CHECK(panels.intact() && in.intact());
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t c = 0; c < columns; ++c) CHECK_EQ(turned[c * rows + r], in[r * ld + c]);
        for (std::size_t c = 0; c < panel; ++c) {
          CHECK_EQ(panels[r * panel + c], c < width ? in[r * ld + c] : 0.0f);
        }
      }
    }
  }
}

TEST("gemm_packed: with scratch, A goes through tiles where that pays, and gives the same") {
  for (const std::size_t m : {1, 5, 13, 130}) {
    for (const std::size_t ld : {std::size_t{1024}, std::size_t{601}}) {
      const std::size_t k = 600, n = (ld == 1024 ? 1 : 6) * kernels().panel + 3;
      Random random(m);
      const std::vector<float> A = random.floats(m * ld, 1.0), B = random.floats(k * n, 1.0);
      const std::vector<float> before = random.floats(m * n, 1.0), bias = random.floats(n, 1.0);
      std::vector<float> packed(packed_floats(k, n)), plain = before;
      pack({packed.data(), B.data(), k, n, n});
      gemm_packed({plain.data(), A.data(), packed.data(), m, n, k, n, ld, true, true, bias.data()});
      Guarded scratch(gemm_scratch_floats(m, k), 0), C(before, 0);
      gemm_packed(
          {C.data(), A.data(), packed.data(), m, n, k, n, ld, true, true, bias.data(), scratch.data()});
      CHECK(scratch.intact() && C.intact());
      for (std::size_t i = 0; i < m * n; ++i) CHECK_NEAR(C[i], static_cast<double>(plain[i]), 1e-6);
    }
  }
}

TEST("pack leaves room for an extra row where it is asked to") {
  const std::size_t panel = kernels().panel, k = 4, n = panel + 1;
  const std::vector<float> B = Random(1).floats(k * n, 1.0);
  Guarded out(packed_floats(k + 1, n), 0);
  const float untouched = out[k * panel];
  pack({out.data(), B.data(), k, n, n, false, k + 1});
  CHECK(out.intact());
  for (std::size_t p = 0; p < 2; ++p) {
    for (std::size_t r = 0; r < k; ++r) {
      for (std::size_t c = 0; c < panel; ++c) {
        const std::size_t column = p * panel + c;
        CHECK_EQ(out[(p * (k + 1) + r) * panel + c], column < n ? B[r * n + column] : 0.0f);
      }
    }
    for (std::size_t c = 0; c < panel; ++c) CHECK_EQ(out[(p * (k + 1) + k) * panel + c], untouched);
  }
}

void check_outer(const Sizes& s) {
  Random random(s.m * 7 + s.n * 5 + s.k);
  const std::vector<float> A = random.floats(s.k * s.m, 1.0), B = random.floats(s.k * s.n, 1.0);
  Guarded C(std::vector<float>(s.m * s.n, NAN), 0), scratch(outer_scratch_floats(s.m, s.n, s.k), 0);
  const OuterLeft left{C.data(), A.data(), s.m, s.n, s.m};
  gemm_outer({&left, 1, B.data(), s.n, s.k, s.n}, scratch.data());
  CHECK(C.intact() && scratch.intact());
  for (std::size_t i = 0; i < s.m; ++i) {
    for (std::size_t j = 0; j < s.n; ++j) {
      double sum = 0.0, size = 0.0;
      for (std::size_t r = 0; r < s.k; ++r) {
        const double term = at(A, r * s.m + i) * at(B, r * s.n + j);
        sum += term;
        size += std::fabs(term);
      }
      CHECK_NEAR(C[i * s.n + j], sum, bound(s.k) * size);
    }
  }
}

void check_two_outer(std::size_t k) {
  const std::size_t n = 530, ld = n + 3;
  Random random(4);
  const std::vector<float> A = random.floats(k * 20, 1.0), E = random.floats(k * 31, 1.0);
  const std::vector<float> B = random.floats(k * ld, 1.0);
  std::vector<float> first(20 * n, NAN), second(31 * ld, NAN), alone(20 * n, NAN), other(31 * ld, NAN);
  Guarded scratch(outer_scratch_floats(31, n, k), 0);
  const OuterLeft lefts[] = {{first.data(), A.data(), 20, n, 20}, {second.data(), E.data(), 31, ld, 31}};
  const OuterLeft apart[] = {{alone.data(), A.data(), 20, n, 20}, {other.data(), E.data(), 31, ld, 31}};
  gemm_outer({lefts, 2, B.data(), n, k, ld}, scratch.data());
  for (const OuterLeft& each : apart) gemm_outer({&each, 1, B.data(), n, k, ld}, scratch.data());
  CHECK(scratch.intact());
  CHECK(same_bits(first, alone));
  for (std::size_t i = 0; i < 31; ++i) {
    for (std::size_t j = 0; j < n; ++j) CHECK_EQ(second[i * ld + j], other[i * ld + j]);
  }
}

TEST("gemm_outer: two left factors of different widths with one right one give what each gives alone") {
  check_two_outer(600);
  check_two_outer(1);
}

TEST("gemm_outer: the scratch of a window serves every shorter one") {
  for (const std::size_t longest : {513, 700, 1025}) {
    for (std::size_t k = 1; k <= longest; ++k) {
      CHECK_LE(outer_scratch_floats(25, 40, k), outer_scratch_floats(25, 40, longest));
    }
    // What is used, and not only what is asked for: 512 rows are one block.
    const std::size_t k = 512;
    const std::vector<float> A(k * 25, 0.5f), B(k * 40, 0.25f);
    std::vector<float> C(25 * 40);
    Guarded scratch(outer_scratch_floats(25, 40, longest), 0);
    const OuterLeft left{C.data(), A.data(), 25, 40, 25};
    gemm_outer({&left, 1, B.data(), 40, k, 40}, scratch.data());
    CHECK(scratch.intact());
    CHECK_EQ(C[0], 64.0f);
  }
}

TEST("gemm_outer: one row and many, more rows and columns than a block") {
  for (const Sizes& s :
       {Sizes{1, 1, 1}, {5, 3, 1}, {3, 70, 15}, {13, 33, 256}, {14, 9, 257}, {20, 600, 40}}) {
    check_outer(s);
  }
  check_outer({25, 530, 600});
  check_outer({25, 40, 1100});
  check_outer({200, 40, 450});  // several blocks of the left factor, several parts of k
}

// Parts in another order than they are numbered, on factors that were packed with no room to spare.
void check_parts(const Sizes& s) {
  Random random(s.m + s.n + s.k);
  const std::size_t lda = s.m + 2, ldb = s.n + 1, ldc = s.n + 3;
  const std::vector<float> A = random.floats(s.k * lda, 1.0), B = random.floats(s.k * ldb, 1.0);
  std::vector<float> whole(s.m * ldc, 5.0f), scratch(outer_scratch_floats(s.m, s.n, s.k));
  const OuterLeft left{whole.data(), A.data(), s.m, ldc, lda};
  gemm_outer({&left, 1, B.data(), s.n, s.k, ldb}, scratch.data());
  Guarded tiles(outer_tiles_floats(s.m, s.k), 0), panels(outer_panels_floats(s.n, s.k), 0);
  pack_outer_tiles(tiles.data(), A.data(), lda, s.m, s.k);
  pack_outer_panels(panels.data(), B.data(), ldb, s.n, s.k);
  Guarded C(std::vector<float>(s.m * ldc, 5.0f), 0);
  PackedOuter g{C.data(), tiles.data(), panels.data(), s.m, s.n, s.k, ldc};
  std::size_t covered = 0;
  for (std::size_t part = outer_parts(s.m, s.n, s.k); part-- > 0;) {
    const OuterPart p = outer_part(s.m, s.n, s.k, part);
    covered += p.rows * p.columns;
    multiply_outer(g, p);
  }
  CHECK(tiles.intact() && panels.intact() && C.intact());
  CHECK_EQ(covered, s.m * s.n);
  CHECK(same_bits(C.values(), whole));
  // Once more, on top.
  g.accumulate = true;
  const std::size_t last = outer_parts(s.m, s.n, s.k) - 1;
  const OuterPart p = outer_part(s.m, s.n, s.k, last);
  multiply_outer(g, p);
  const std::size_t at = p.row * ldc + p.column;
  CHECK_NEAR(C[at], 2.0 * static_cast<double>(whole[at]), bound(2 * s.k) * static_cast<double>(s.k));
}

TEST("a weight gradient in parts: each number in one of them, with the bits of the whole") {
  for (const Sizes& s : {Sizes{1, 1, 1}, {5, 3, 1}, {13, 33, 257}, {20, 600, 40}, {200, 70, 450}})
    check_parts(s);
  check_parts({25, 530, 600});
  check_parts({25, 40, 1100});
  CHECK_LT(std::size_t{3}, outer_parts(300, 1100, 200));
  check_parts({300, 1100, 200});
}

// One row takes a kernel of its own, several rows that of training, which goes through k in parts.
TEST("Linear in float32: a row has the same bits alone and among others, for any k") {
  for (const std::size_t k : {7, 400, 650}) {
    const std::size_t m = 7, n = 5 * kernels().panel + 3;
    Random random(k);
    const std::vector<float> A = random.floats(m * k, 1.0), W = random.floats(k * n, 1.0);
    const std::vector<float> before = random.floats(m * n, 1.0), bias = random.floats(n, 1.0);
    const Linear linear({W.data(), k, n, n}, Precision::float32);
    std::vector<float> scratch(linear.scratch_floats(m));
    for (const bool accumulate : {false, true}) {
      for (const float* added : {static_cast<const float*>(nullptr), bias.data()}) {
        std::vector<float> together = before, alone = before;
        linear.columns(
            {together.data(), n, A.data(), k, m, added, accumulate, !accumulate, nullptr, scratch.data()}, 0,
            n);
        for (std::size_t r = 0; r < m; ++r) {
          linear.columns({alone.data() + r * n, n, A.data() + r * k, k, 1, added, accumulate, !accumulate,
                          nullptr, nullptr},
                         0, n);
        }
        CHECK(same_bits(together, alone));
      }
    }
  }
}

}  // namespace
}  // namespace timernn::test
