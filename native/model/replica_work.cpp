// What a window leaves of the weights' gradients, and its parts; see replica.h.
#include <cstring>

#include "../core/error.h"
#include "../layers/embedding.h"
#include "replica.h"

namespace timernn {

namespace {
// What the parts of a tied table add to it besides.
std::size_t input_floats(const ModelSpec& spec, std::size_t steps) {
  return spec.tied ? steps * (spec.embedding + 1) : 0;
}
}  // namespace

std::size_t Replica::work_floats() const {
  return reads_packed() && trainable_ ? inputs_at_ + input_floats(spec_, rows_ * window_) : 0;
}

std::size_t Replica::work_floats(const ModelSpec& spec, std::size_t rows, std::size_t window) {
  const std::size_t steps = rows * window;
  if (!packs(steps)) return 0;
  const std::vector<std::size_t> anywhere(tensor_table(spec).size());
  return SoftmaxHead::work_floats({steps, spec.output_size(), spec.vocabulary, spec.tied}) +
         WeightWork(spec, anywhere, rows, window).floats() + input_floats(spec, steps);
}

void Replica::expect_work() const {
  if (work_floats() == 0 || work_ != nullptr) return;
  throw Error("ERR_TIMERNN_STATE", "Expected memory for the gradients of weights before a window, got none");
}

void Replica::work_in(float* work) {
  if (work_floats() == 0) return;
  work_ = work;
  head_.work_in(work);
}

std::size_t Replica::head_parts(std::size_t rows) const {
  return reads_packed() ? head_.weight_parts(rows) : 0;
}

std::size_t Replica::weight_parts(std::size_t rows) const {
  return head_parts(rows) + weight_work_.parts(rows);
}

void Replica::weight_part(float* grads, const float* work, std::size_t rows, std::size_t part) const {
  const std::size_t head = head_parts(rows), out = first_.back();
  if (part < head) {
    head_.weight_part(grads + offsets_[spec_.output_weight(out)], grads + offsets_[spec_.output_bias(out)],
                      work, rows, part);
    if (spec_.tied) add_inputs(grads, work, rows, head_.tied_rows(rows, part));
  } else {
    weight_work_.multiply(grads, work + weights_at_, rows, part - head);
  }
}

// For whoever makes a part of a tied table's gradient: it is what the output layer leaves there and, row by
// row, what the inputs add.
void Replica::keep_inputs(const float* dxs, std::size_t rows) {
  const std::size_t V = spec_.vocabulary, D = spec_.embedding;
  float* kept = work_ + inputs_at_;
  auto* words = reinterpret_cast<std::uint32_t*>(kept + rows_ * window_ * D);
  std::memcpy(kept, dxs, rows * D * sizeof(float));
  for (std::size_t row = 0; row < rows; ++row) {
    const bool dropped = !word_factor_.empty() && word_factor_[row] == 0.0f;
    words[row] = dropped ? static_cast<std::uint32_t>(V) : inputs_[row];
  }
}

void Replica::add_inputs(float* grads, const float* work, std::size_t rows, SoftmaxHead::Range words) const {
  const EmbeddingDims d{spec_.vocabulary, spec_.embedding};
  const float* kept = work + inputs_at_;
  const auto* word = reinterpret_cast<const std::uint32_t*>(kept + rows_ * window_ * d.D);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::uint32_t id = word[row];  // once: shared memory is not trusted
    if (id >= words.begin && id < words.end)
      embedding_row_backward(grads + offsets_[0], kept + row * d.D, id, d);
  }
}

}  // namespace timernn
