// The contract of a recurrent cell: its tensor table, its state, and forward and backward over one window.
// Time-major inside: rows of step t are contiguous, T·n rows in all. Adding a cell: one file beside rnn.cpp
// and one line in registry.cpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "../gemm/linear.h"

namespace timernn {

enum class InitKind { zeros, uniform, orthogonal, ones };

/// How a tensor starts: zeros, U(−bound, bound), a random orthogonal matrix, or zeros with ones in [from,
/// to).
struct Init {
  InitKind kind = InitKind::zeros;
  float bound = 0.0f;
  std::size_t from = 0, to = 0;
  bool memory = false;  ///< recurrent weights whose diagonal is what a unit keeps: for Start::memory
};

struct TensorInfo {
  std::string name;
  std::vector<std::size_t> shape;
  Init init;
  std::size_t length() const {
    std::size_t n = 1;
    for (std::size_t s : shape) n *= s;
    return n;
  }
};

struct CellDims {
  std::size_t T, n, D, H;  ///< steps, rows (streams of the shard), input size, hidden size
};

/// One form in which a cell multiplies with a weight tensor: `columns` of its columns from `first` on, or
/// those transposed.
struct WeightForm {
  std::size_t tensor, first, columns;
  bool transposed;
};

struct CellForward {
  float* hs;                   ///< (T+1)·n×H: rows [0, n) are set to the carried h, the rest to the outputs
  float* state;                ///< in: carried state; out: state after the window (states·n×H, h first)
  const float* xs;             ///< T·n×D
  const float* const* params;  ///< the cell's tensors in table order
  const float* const* packed;  ///< the cell's forms as packed_weights.h makes them, or null: not packed
  float* ws;                   ///< overwritten, kept until backward: ws_floats(dims)
  float* scratch;              ///< scratch_floats(dims)
  CellDims dims;
};

struct CellBackward {
  float* dxs;     ///< T·n×D, overwritten; null where the input needs no gradient
  float* dstate;  ///< in: gradient that arrives at the state after the window; out: at the carried state
  float* const* grads;  ///< the cell's gradients in table order: biases are overwritten, weights left alone
  float* dhs;           ///< T·n×H: in the gradient of the outputs; destroyed
  const float* hs;      ///< as forward left it
  const float* xs;
  const float* const* params;
  const float* const* packed;  ///< as for forward, the transposed forms too
  float* ws;                   ///< as forward left it; destroyed, so one backward a forward
  float* scratch;
  CellDims dims;
};

/// T·n rows of numbers that backward() got or left behind.
struct WindowRows {
  enum class In { xs, hs, dhs, ws } in;
  std::size_t at, width, ld;  ///< floats from its start, numbers a row, leading dimension
};

/// What backward() leaves to its caller: columns [first, first + right.width) of the gradient of a weight
/// tensor with `ld` columns are leftᵀ·right. In the order in which two with the same right factor follow each
/// other.
struct WeightProduct {
  std::size_t tensor, first, ld;
  WindowRows left, right;
};
inline constexpr std::size_t kMostWeightProducts = 3;

/// One step of n rows for inference, on packed weights: nothing is kept for a way back. Several threads call
/// it together; it ends with a sync.
struct CellStep {
  float* state;                ///< states·n×H, h first: in carried, out after the step; h is the output
  float* out;                  ///< n×H: the output of a cell without a state; others leave it alone
  const float* x;              ///< n×D
  const float* const* params;  ///< the cell's tensors in table order, biases only
  const Linear* forms;         ///< the cell's forms that are not transposed, in order
  float* work;                 ///< step_floats(dims): gates and the like
  float* shared;               ///< for each form in order its shared_floats(n)
  float* scratch;              ///< a thread's own: the largest scratch_floats(n) of the forms
  CellDims dims;               ///< T is 1

  /// What multiplies A (n×k at lda) with a form into C (n×· at ldc).
  LinearRows rows(float* C, std::size_t ldc, const float* A, std::size_t lda, std::size_t form) const;
};

struct Cell {
  const char* name;
  std::size_t states;  ///< state vectors a row: 1 (h), 2 (h and c)
  std::vector<TensorInfo> (*tensors)(std::size_t D, std::size_t H);
  /// What the forward pass multiplies with first, then what the way back needs besides (all transposed).
  std::vector<WeightForm> (*forms)(std::size_t H);
  std::size_t (*ws_floats)(const CellDims&);
  std::size_t (*scratch_floats)(const CellDims&);
  void (*forward)(const CellForward&);
  /// All but the gradients of weights; those follow, from what this leaves in ws and dhs.
  void (*backward)(const CellBackward&);
  /// Writes at most kMostWeightProducts, and says how many.
  std::size_t (*weight_products)(const CellDims&, WeightProduct* out);
  std::size_t (*step_floats)(const CellDims&);
  void (*step)(const CellStep&, const Share&);
};

/// xs·W (D×H), without a bias and without a state: what stands between layers and output where their sizes
/// differ. Not among cell_names(): a model cannot be made of it.
const Cell* projection_cell();

/// The cell of that name, or null.
const Cell* find_cell(const std::string& name);
std::vector<std::string> cell_names();

}  // namespace timernn
