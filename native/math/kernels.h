// Elementwise and vector kernels, one table an instruction set, all compiled from kernels.inl.
// Refuses to do: matrix-matrix products (see gemm/).
//
// Errors: exp at most 1.1 ulp on [-87, 88], tanh at most 1.4 ulp. Measured over all floats of these
// ranges: 1.010 and 1.330; test/native/math_test.cpp sweeps every 997th. A NaN stays a NaN. Polynomials: S.
// Moshier, Cephes 2.8, expf and tanhf.
#pragma once

#include <cstddef>
#include <cstdint>

namespace timernn {

/// One packed panel of B times all rows of A, `height` rows at a time; see gemm/panel.inl. A lies in one of
/// three ways:
/// - rows: element (r, s) at A[r·a_row + s·a_step];
/// - tiles (a_tile > 0): `height` rows side by side, tile after tile; the t-th, of `rows` rows (fewer only in
/// the last one),
///   has element (r, s) at A[t·a_tile + (a_first + s)·rows + r];
/// - panels (a_block > 0): element (r, s) at A[s / panel · a_block + r·panel + s % panel]; a_row is the
/// panel's width.
struct PanelProduct {
  float* C;  ///< m×n at leading dimension ldc
  std::size_t ldc;
  const float* A;
  std::size_t a_row, a_step, a_block, a_tile, a_first;
  const float* B;               ///< k×panel, columns beyond n padded with anything
  std::size_t m, n, k, height;  ///< n at most the panel's width, height at most that of a register tile
  bool accumulate;              ///< the sums start from C instead of zero
  bool tanh;                    ///< then C = tanh(C)
  /// What to fetch into cache while this call computes, or null: k rows that a later call reads, or what
  /// lies Kernels::ahead floats behind B.
  const float* next = nullptr;
  const float* bias = nullptr;  ///< n floats added to every row before tanh, or null
};

/// A left factor in the order in which a weight gradient reads it: tiles of `height` columns, one after the
/// other, each row after row: tile t, of `width` columns (fewer only in the last one), has element
/// (r, c) = in[r·ld + t·height + c] · scale[r] at out[t·height·rows + r·width + c]; as panels, at r·height +
/// c also in the last one, which leaves gaps.
struct TilesPack {
  float* out;       ///< rows · columns; as panels, rows · (columns rounded up to whole ones)
  const float* in;  ///< rows×columns, leading dimension ld
  std::size_t ld, rows, columns, height;
  const float* scale = nullptr;  ///< a factor a row, or null
  bool panels = false;
};

/// Some columns of a softmax over many, for a block of rows whose logits lie in panels: element (r, c) at
/// x[(c / panel · rows + r) · panel + c % panel]. A row's columns come in several calls, and its greatest
/// logit is not known before the last one; so e = exp(z − reference) with a reference that is at most 40
/// below the greatest logit so far. Where it must move, what came before shrinks by `factor`.
struct SoftmaxChunk {
  float* x;             ///< logits, overwritten with e
  std::size_t rows, n;  ///< n columns a row
  float* reference;     ///< a row, carried from call to call
  float* sums;          ///< rows·panel running sums of e in lanes, carried from call to call
  float* factor;        ///< out, a row: what the e of earlier calls must be multiplied with
  bool first;           ///< sets reference and sums
};

/// All n rows of one LSTM step; the equations stand in cells/lstm.cpp. c may be c_prev, else no array
/// overlaps another.
struct LstmStep {
  float* gates;         ///< n×4H, i f g o: in before their activation, out activated
  float *c, *h;         ///< n×H, overwritten
  const float* c_prev;  ///< n×H
  std::size_t n, H;
};
struct LstmStepBackward {
  float* gates;             ///< n×4H: in as forward left them, out their gradients before the activation
  float* dc;                ///< n×H: in the gradient that arrives at c_t from later steps, out at c_{t−1}
  const float *dh, *dhs;    ///< n×H: the gradients at h_t from later steps and from the output
  const float *c, *c_prev;  ///< n×H
  std::size_t n, H;
};

/// All n rows of one GRU step; the equations stand in cells/gru.cpp. h may be h_prev, else no array overlaps
/// another.
struct GruStep {
  float* gates;  ///< n×3H, r z n: in before their activation, out activated
  float* product;  ///< n×3H: in h_{t−1}·Wh, out its n third with bn added; reset before: n×H, out r ⊙ h_{t−1}
  float* h;             ///< n×H, overwritten
  const float* h_prev;  ///< n×H
  const float* bn;      ///< H; reset after only
  std::size_t n, H;
};
struct GruStepBackward {
  float* gates;  ///< n×3H: in as forward left them, out their gradients before the activation
  float* product;  ///< n×3H: in as forward left it, out the gradient at h_{t−1}·Wh; reset before: n×H, in the
                   ///< gradient at r ⊙ h_{t−1}
  float* dh;  ///< n×H: in the gradient at h_t from later steps, out at h_{t−1} but for what comes through Wh
  const float* dhs;     ///< n×H: the gradient at h_t from the output
  const float* h_prev;  ///< n×H
  std::size_t n, H;
};

/// One pass of an optimiser over n parameters: p ← p − (decay·p + rate·(what it makes of the gradient g)),
/// with g = the gradient times clip_scale, then cut off at ±clip_value.
struct UpdateStep {
  float* params;
  const float* grads;
  float* slots[2];
  std::size_t n;
  float clip_scale, clip_value;
  float decay;  ///< η·λ; not 1 − η·λ, which a float rounds to 1 for the small decays that are usual
  float rate;   ///< η, with what corrects it
  float epsilon = 0.0f;
  float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;  ///< the optimiser's own numbers
};

/// The way back through dropout, and the penalties on what it was given (losses of the design's activation
/// penalties; Merity et al. 2017): d ← d·scale + activation·scale²·h where kept, else 0; then
/// + temporal·((h − before) + (h − after)).
struct DropoutBackward {
  float* d;                  ///< in the gradient behind dropout, out before it
  const std::uint8_t* keep;  ///< null: nothing drops out, scale is 1
  float scale;
  const float* h = nullptr;                         ///< what dropout was given; null: no penalties
  const float *before = nullptr, *after = nullptr;  ///< h of the steps around this one, null at the edges
  float activation = 0.0f, temporal = 0.0f;
  std::size_t n = 0;
};

/// A few rows times weights packed for inference (gemm/linear.h), `n` columns from the first of a panel on:
/// C (+)= A·W + bias, then tanh where asked.
struct InferencePanels {
  float* C;  ///< m×n at leading dimension ldc
  std::size_t ldc, m, n, k;
  const void* B;  ///< whole panels: k×panel floats; ⌈k/2⌉×panel pairs of bfloat16; ⌈k/4⌉×panel fours of int8
  const float* A;  ///< m×k at leading dimension lda (not int8)
  std::size_t lda;
  const float* bias;  ///< n, or null
  bool accumulate, tanh;
  // int8 only: rows as quantize_row leaves them, ldq bytes each; scales; Σ of each column's weights.
  const std::uint8_t* quantized = nullptr;
  std::size_t ldq = 0;
  const float *row_scale = nullptr, *column_scale = nullptr;
  const std::int32_t* column_sum = nullptr;
};

/// Of some logits: the greatest, and Σ exp(z − greatest), which is NaN where one of them is not finite.
struct SoftmaxSum {
  float top;
  double sum;
};

struct Kernels {
  const char* isa;

  /// Columns of a packed panel, rows of a register tile, and rows of a panel to multiply at a time: what all
  /// tiles read before the next ones. `ahead`: floats from what is multiplied to what is worth fetching
  /// meanwhile where panels follow one another; 0: the k rows that the next call reads.
  std::size_t panel, tile, depth, ahead;
  void (*gemm_panel)(const PanelProduct& g);
  /// `rows` rows of a panel: out[r·panel + c] = in[r·ld + c] for c < width, else 0.
  void (*pack_rows)(float* out, const float* in, std::size_t ld, std::size_t rows, std::size_t width);
  /// A panel (k rows) of the transpose of `width` rows of `in` at leading dimension ld; see gemm/packed.h.
  void (*pack_turned)(float* out, const float* in, std::size_t ld, std::size_t k, std::size_t width);

  /// See TilesPack.
  void (*pack_tiles)(const TilesPack& p);
  /// One tile of a left factor whose rows are multiplied: out[c·rows + r] = in[r·ld + c], c < k.
  void (*turn_tile)(float* out, const float* in, std::size_t ld, std::size_t k, std::size_t rows);

  /// x[i] = tanh(x[i]), i < n. In place.
  void (*tanh_inplace)(float* x, std::size_t n);
  /// x[i] = exp(x[i]), i < n; arguments are clamped to [-87.33, 88.37]. In place.
  void (*exp_inplace)(float* x, std::size_t n);
  /// dt[i] = (dt[i] + dh[i]) · (1 − h[i]²), i < n: the gradient before tanh. dt may not alias h.
  void (*tanh_backward)(float* dt, const float* dh, const float* h, std::size_t n);
  /// x[i] = 1 / (1 + exp(−x[i])), i < n. In place.
  void (*sigmoid_inplace)(float* x, std::size_t n);
  /// x[i] = max(x[i], 0), i < n. In place.
  void (*relu_inplace)(float* x, std::size_t n);
  /// dt[i] = dt[i] + dh[i] where h[i] > 0, else 0. dt may not alias h.
  void (*relu_backward)(float* dt, const float* dh, const float* h, std::size_t n);
  /// The elementwise part of one step of a cell.
  void (*lstm_forward)(const LstmStep& s);
  void (*lstm_backward)(const LstmStepBackward& s);
  void (*gru_forward)(const GruStep& s);
  void (*gru_backward)(const GruStepBackward& s);
  /// Reset before the product: gates r and z, and r ⊙ h_{t−1}; then, with the product added to n, n and h.
  void (*gru_reset)(const GruStep& s);
  void (*gru_output)(const GruStep& s);
  /// The way back: z and n first; then, with the gradient at r ⊙ h_{t−1} known, r.
  void (*gru_output_backward)(const GruStepBackward& s);
  void (*gru_reset_backward)(const GruStepBackward& s);
  /// y[i] += x[i].
  void (*add)(float* y, const float* x, std::size_t n);
  /// See UpdateStep; the formulas stand in native/optim/.
  void (*update_sgd)(const UpdateStep& s);
  void (*update_momentum)(const UpdateStep& s);  ///< slots: velocity; a: μ
  void (*update_nesterov)(const UpdateStep& s);
  void (*update_scaled)(const UpdateStep& s);  ///< slots: q; q ← a·q + b·g²
  void (*update_adam)(const UpdateStep& s);  ///< slots: m, v; a: 1 − β₁, b: β₂, c: 1 − β₂, d: factor on √v
  /// x[i] += share · (p[i] − x[i]); with a share of 1, p[i].
  void (*average)(float* x, const float* p, float share, std::size_t n);
  /// out[i] = in[i] · scale where keep[i], else 0. out may be in.
  void (*dropout_forward)(float* out, const float* in, const std::uint8_t* keep, float scale, std::size_t n);
  /// See DropoutBackward.
  void (*dropout_backward)(const DropoutBackward& b);
  /// out[c] (+)= Σ_r x[r·n + c] over m rows; overwrites unless `accumulate`.
  void (*column_sums)(float* out, const float* x, std::size_t m, std::size_t n, bool accumulate);
  /// out[i] = Σ_s parts[s][i] in order of s; returns Σ out². `out` may be parts[0].
  double (*sum_and_square)(float* out, const float* const* parts, std::size_t count, std::size_t n);

  /// y[n] += x[k] · W (k×n row-major, leading dimension ld): the m = 1 product, at the speed of memory.
  void (*gemv)(float* y, const float* x, const float* W, std::size_t k, std::size_t n, std::size_t ld);
  /// y[n] += W (n×k row-major, leading dimension ld) · x[k].
  void (*gemv_t)(float* y, const float* x, const float* W, std::size_t n, std::size_t k, std::size_t ld);

  /// See InferencePanels. The float one is for one row; several are gemm_panel's.
  void (*panels_float)(const InferencePanels& p);
  void (*panels_bfloat16)(const InferencePanels& p);
  void (*panels_int8)(const InferencePanels& p);
  /// 16-bit numbers q of k floats, and zeros up to a multiple of 4, as this set's panels_int8 takes them: one
  /// after the other, or, for VNNI, the high bytes of q + 32,768 in the first half of `bytes` and the low
  /// ones in the second. Returns the scale: x ≈ q · scale.
  float (*quantize_row)(std::uint8_t* row, std::size_t bytes, const float* x, std::size_t k);
  void (*softmax_sum)(SoftmaxSum* out, const float* z, std::size_t n);
  /// z[i] = exp(z[i] − top) · scale. In place.
  void (*softmax_share)(float* z, std::size_t n, float top, float scale);

  /// Softmax cross-entropy of one row. z = x + bias (bias may be null). Returns log Σ exp(z) − z[target] in
  /// nats. Where `gradient`, x is overwritten with (softmax(z) − onehot(target)) · scale; else x is left as
  /// scratch.
  float (*softmax_cross_entropy)(float* x, const float* bias, std::size_t n, std::size_t target, float scale,
                                 bool gradient);
  /// Returns whether any factor is not 1.
  bool (*softmax_chunk)(const SoftmaxChunk& g);
  /// x = softmax(x), in place.
  void (*softmax)(float* x, std::size_t n);

  /// `iterations` rounds of independent fused multiply-adds in registers; returns the floating-point
  /// operations done.
  double (*fma_probe)(std::uint64_t iterations, float* sink);
};

/// The table for this CPU, or for the set named by the environment variable TIMERNN_ISA if this CPU can run
/// it.
const Kernels& kernels();
/// The table of one instruction set (`generic`, `avx2`, `avx512`, `neon`), null if not compiled in or not
/// runnable here.
const Kernels* kernels_for(const char* isa);

}  // namespace timernn
