// Window-wide and step-wise products; see products.h.
#include "products.h"

#include <algorithm>
#include <cstring>

#include "../gemm/gemm.h"
#include "../gemm/packed.h"
#include "../math/kernels.h"

namespace timernn {

void input_product(float* z, const float* xs, const float* Wx, const float* b, std::size_t rows,
                   std::size_t D, std::size_t G) {
  for (std::size_t r = 0; r < rows; ++r) std::memcpy(z + r * G, b, G * sizeof(float));
  gemm({z, xs, Wx, static_cast<int>(rows), static_cast<int>(G), static_cast<int>(D), false, false, 1.0f});
}

namespace {
// Rows from which it pays to pack the weights for one product: turned weights are what sgemm is slowest with
// (71 GFLOP/s against 95 at 350×2600·2600×650, packing included).
constexpr std::size_t kRowsToPack = 64;
}  // namespace

void input_gradients(const InputGradients& out, const float* dz, const float* xs, const float* Wx,
                     std::size_t rows, std::size_t D, std::size_t G, float* scratch) {
  const int m = static_cast<int>(rows), d = static_cast<int>(D), g = static_cast<int>(G);
  kernels().column_sums(out.db, dz, rows, G, false);
  gemm({out.dWx, xs, dz, d, g, m, true, false});
  if (out.dxs == nullptr) return;
  if (gemm_path() == GemmPath::packed && rows >= kRowsToPack) {
    pack({scratch, Wx, G, D, G, true});
    gemm_packed({out.dxs, dz, scratch, rows, D, G, D, G});
  } else {
    gemm({out.dxs, dz, Wx, m, d, g, false, true});
  }
}

std::size_t input_scratch_floats(std::size_t D, std::size_t G) {
  return packed_floats(G, D);
}

StepProduct::StepProduct(float* scratch, const StepWeights& w, const CellDims& dims)
    : weights_(w), scratch_(scratch), n_(dims.n), form_(Form::as_stored) {
  if (dims.T == 1 || dims.n == 1) return;
  if (gemm_path() == GemmPath::packed) {
    form_ = Form::packed;
    pack({scratch, w.W, w.in, w.out, w.ld, w.transposed});
  } else if (w.transposed && w.ld == w.in) {
    // sgemm is fastest with the weights as they are multiplied: one transposition serves all T steps.
    form_ = Form::turned;
    transpose(scratch, w.W, static_cast<int>(w.out), static_cast<int>(w.in));
  }
}

void StepProduct::operator()(const StepRows& r) const {
  const StepWeights& w = weights_;
  if (form_ == Form::packed) {
    gemm_packed({r.C, r.A, scratch_, n_, w.out, w.in, r.ldc, r.lda, r.accumulate, r.tanh});
    return;
  }
  const bool turned = form_ == Form::turned;
  gemm({r.C, r.A, turned ? scratch_ : w.W, static_cast<int>(n_), static_cast<int>(w.out),
        static_cast<int>(w.in), false, w.transposed && !turned, r.accumulate ? 1.0f : 0.0f,
        static_cast<int>(r.lda), static_cast<int>(turned ? w.out : w.ld), static_cast<int>(r.ldc)});
  if (!r.tanh) return;
  for (std::size_t i = 0; i < n_; ++i) kernels().tanh_inplace(r.C + i * r.ldc, w.out);
}

std::size_t StepProduct::floats(std::size_t in, std::size_t out) {
  return std::max(in * out, packed_floats(in, out));
}

}  // namespace timernn
