// Packing into the three formats, and the choice of a kernel; see linear.h.
#include "linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../math/kernels.h"
#include "packed.h"

namespace timernn {

namespace {
std::size_t panels_of(std::size_t n) {
  return (n + kernels().panel - 1) / kernels().panel;
}

float element(const LinearWeights& w, std::size_t row, std::size_t column) {
  return w.transposed ? w.W[column * w.ld + row] : w.W[row * w.ld + column];
}

// Round to nearest, ties to even (the weights are finite).
std::uint32_t bfloat16_bits(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

// Bytes of a row's 16-bit numbers; each half is whole cache lines.
std::size_t quantized_bytes(std::size_t k) {
  return 2 * ((k + 63) / 64 * 64);
}
}  // namespace

Linear::Linear(const LinearWeights& w, Precision precision) : k_(w.k), n_(w.n), precision_(precision) {
  const std::size_t columns = panels_of(n_) * kernels().panel;
  switch (precision) {
    case Precision::float32:
      weights_ = Buffer(packed_floats(k_, n_));
      pack({weights_.data(), w.W, k_, n_, w.ld, w.transposed});
      return;
    case Precision::bfloat16:
      weights_ = Buffer((k_ + 1) / 2 * columns);
      pack_bfloat16(w);
      return;
    case Precision::int8:
      weights_ = Buffer((k_ + 3) / 4 * columns);
      scales_ = Buffer(columns);
      sums_ = Buffer(columns);
      pack_int8(w);
      return;
  }
}

void Linear::pack_bfloat16(const LinearWeights& w) {
  const std::size_t panel = kernels().panel, pairs = (k_ + 1) / 2;
  auto* out = reinterpret_cast<std::uint32_t*>(weights_.data());
  for (std::size_t c = 0; c < n_; ++c) {
    std::uint32_t* at = out + c / panel * pairs * panel + c % panel;
    for (std::size_t r = 0; r < k_; ++r) {
      at[r / 2 * panel] |= bfloat16_bits(element(w, r, c)) << (r % 2 == 0 ? 0 : 16);
    }
  }
}

void Linear::pack_int8(const LinearWeights& w) {
  const std::size_t panel = kernels().panel, fours = (k_ + 3) / 4;
  auto* out = reinterpret_cast<std::int8_t*>(weights_.data());
  auto* sums = reinterpret_cast<std::int32_t*>(sums_.data());
  for (std::size_t c = 0; c < n_; ++c) {
    float top = 0.0f;
    for (std::size_t r = 0; r < k_; ++r) top = std::max(top, std::fabs(element(w, r, c)));
    // Below that a scale, or what the row's scale makes of it, would be subnormal.
    const bool nothing = top < 1e-30f;
    scales_.data()[c] = nothing ? 0.0f : top / 127.0f;
    std::int8_t* at = out + (c / panel * fours * panel + c % panel) * 4;
    for (std::size_t r = 0; r < k_; ++r) {
      const float q = nothing ? 0.0f : std::nearbyint(element(w, r, c) / top * 127.0f);
      at[r / 4 * panel * 4 + r % 4] = static_cast<std::int8_t>(q);
      sums[c] += static_cast<std::int32_t>(q);
    }
  }
}

std::size_t Linear::shared_floats(std::size_t m) const {
  if (precision_ != Precision::int8) return 0;
  return m + m * quantized_bytes(k_) / sizeof(float);
}

std::size_t Linear::scratch_floats(std::size_t m) const {
  return precision_ == Precision::float32 && m > 1 ? gemm_scratch_floats(m, k_) : 0;
}

void Linear::prepare(const LinearRows& r, const Share& share) const {
  if (precision_ != Precision::int8) return;
  const std::size_t bytes = quantized_bytes(k_);
  auto* rows = reinterpret_cast<std::uint8_t*>(r.shared + r.m);
  for (std::size_t i = share.begin(r.m); i < share.end(r.m); ++i) {
    r.shared[i] = kernels().quantize_row(rows + i * bytes, bytes, r.A + i * r.lda, k_);
  }
}

void Linear::columns(const LinearRows& r, std::size_t begin, std::size_t end) const {
  if (begin >= end) return;
  const float* bias = r.bias == nullptr ? nullptr : r.bias + begin;
  if (precision_ == Precision::float32 && r.m > 1) {
    gemm_packed({r.C + begin, r.A, weights_.data() + begin * k_, r.m, end - begin, k_, r.ldc, r.lda,
                 r.accumulate, r.tanh, bias, r.scratch});
    return;
  }
  InferencePanels p{r.C + begin, r.ldc, r.m,  end - begin,  k_,    nullptr,
                    r.A,         r.lda, bias, r.accumulate, r.tanh};
  switch (precision_) {
    case Precision::float32:
      p.B = weights_.data() + begin * k_;
      kernels().panels_float(p);
      return;
    case Precision::bfloat16:
      p.B = weights_.data() + begin * ((k_ + 1) / 2);
      kernels().panels_bfloat16(p);
      return;
    case Precision::int8:
      p.B = weights_.data() + begin * ((k_ + 3) / 4);
      p.ldq = quantized_bytes(k_);
      p.row_scale = r.shared;
      p.quantized = reinterpret_cast<const std::uint8_t*>(r.shared + r.m);
      p.column_scale = scales_.data() + begin;
      p.column_sum = reinterpret_cast<const std::int32_t*>(sums_.data()) + begin;
      kernels().panels_int8(p);
      return;
  }
}

void Linear::multiply(const LinearRows& r, const Share& share) const {
  if (precision_ == Precision::int8) {
    prepare(r, share);
    share.sync();
  }
  const std::size_t panels = panels_of(n_), panel = kernels().panel;
  columns(r, share.begin(panels) * panel, std::min(n_, share.end(panels) * panel));
}

}  // namespace timernn
