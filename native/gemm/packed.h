// Products with our own register-tiled kernel (panel.inl) on packed operands, and the choice between it and
// BLAS.
//
// sgemm packs the weight matrix again at every call; with the few rows of one time step that costs as much as
// the product. Packed once a window, the same product runs at 90–95 % of the FMA peak (docs/decisions/0010).
// Refuses to do: allocation. Every call gets its scratch.
#pragma once

#include <cstddef>

#include "../math/kernels.h"

namespace timernn {

enum class GemmPath { blas, packed };

/// The path that cells and head take: the environment variable TIMERNN_GEMM (`blas`, `packed`, `auto`);
/// `auto` is packed where the kernels have fused multiply-adds (every instruction set but `generic`), else
/// BLAS.
GemmPath gemm_path();

/// Floats of a packed k×n matrix.
std::size_t packed_floats(std::size_t k, std::size_t n);

struct Pack {
  float* out;      ///< packed_floats(k, n)
  const float* B;  ///< k×n, or n×k where `transposed`
  std::size_t k, n, ld;
  bool transposed = false;
  std::size_t panel_k = 0;  ///< rows from one panel to the next if more than k (room for an extra row); 0 = k
};
/// Panels of B, each k rows of kernels().panel columns; columns beyond n are zero.
void pack(const Pack& p);

struct PackedGemm {
  float* C;        ///< m×n, leading dimension ldc
  const float* A;  ///< m×k, leading dimension lda
  const float* B;  ///< packed k×n
  std::size_t m, n, k, ldc, lda;
  bool accumulate = false, tanh = false;
  const float* bias = nullptr;  ///< n floats added to every row, or null
  float* scratch = nullptr;     ///< gemm_scratch_floats(m, k), or null: A is read as it lies
};
/// Floats for a block of A in tiles, which is how it is read fastest: one stream instead of one a row.
std::size_t gemm_scratch_floats(std::size_t m, std::size_t k);
/// C (+)= A·B + bias, then tanh where asked, while the tile is in cache.
void gemm_packed(const PackedGemm& g);

/// Height of even tiles that cover `rows`: 16 go as 8 and 8, not as 12 and 4.
std::size_t even_tile_height(std::size_t rows);
/// Rows of a left factor, whole tiles of `height`, that stay in L2 while panels of B pass by.
std::size_t tiled_rows(std::size_t k, std::size_t height);
/// Rows of B to multiply at a time: even parts of at most kernels().depth.
std::size_t even_depth(std::size_t k);
/// What to fetch while `rows` of B are multiplied, where `next` will be multiplied after them.
const float* fetched_meanwhile(const float* rows, const float* next);

/// One weight gradient: C = Aᵀ·B.
struct OuterLeft {
  float* C;        ///< m×n, leading dimension ldc
  const float* A;  ///< k×m, leading dimension lda
  std::size_t m, ldc, lda;
};
struct OuterGemm {
  const OuterLeft* lefts;  ///< several where they share B, which is packed once for all
  std::size_t count;
  const float* B;  ///< k×n, leading dimension ldb
  std::size_t n, k, ldb;
};
/// C = Aᵀ·B for each left: weight gradients, summed over the k rows of a window. Overwrites.
/// At most two lefts. scratch: outer_scratch_floats(the larger m, n, k).
void gemm_outer(const OuterGemm& g, float* scratch);
std::size_t outer_scratch_floats(std::size_t m, std::size_t n, std::size_t k);

/// A weight gradient whose factors are packed, to be multiplied in parts: by whoever has time, in any order,
/// with the bits of gemm_outer.
struct PackedOuter {
  float* C;             ///< m×n, leading dimension ldc
  const float* tiles;   ///< outer_tiles_floats(m, k), from pack_outer_tiles
  const float* panels;  ///< outer_panels_floats(n, k), from pack_outer_panels
  std::size_t m, n, k, ldc;
  bool accumulate = false;  ///< C += Aᵀ·B
};
std::size_t outer_tiles_floats(std::size_t m, std::size_t k);
std::size_t outer_panels_floats(std::size_t n, std::size_t k);
/// A: k×m at leading dimension lda.
void pack_outer_tiles(float* tiles, const float* A, std::size_t lda, std::size_t m, std::size_t k);
/// B: k×n at leading dimension ldb.
void pack_outer_panels(float* panels, const float* B, std::size_t ldb, std::size_t n, std::size_t k);

/// A rectangle of C.
struct OuterPart {
  std::size_t row, rows, column, columns;
};
/// Rows of the window (k) that are one block of tiles and one of panels, at most.
inline constexpr std::size_t kOuterRows = 512;
/// Panels of columns that a part of `rows` rows has.
std::size_t part_panels(std::size_t rows, std::size_t m, std::size_t n, std::size_t k);
std::size_t outer_parts(std::size_t m, std::size_t n, std::size_t k);
OuterPart outer_part(std::size_t m, std::size_t n, std::size_t k, std::size_t part);
void multiply_outer(const PackedOuter& g, const OuterPart& part);

}  // namespace timernn
