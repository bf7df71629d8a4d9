// The replica: one model's forward and backward over one window, with its whole workspace allocated once.
// It holds no parameters, gradients or states: those lie in shared arenas and are passed to each call, so one
// replica serves every shard of its thread. Refuses to do: threads, updates, files.
#pragma once

#include <cstdint>
#include <vector>

#include "../core/buffer.h"
#include "../layers/dropout.h"
#include "../losses/softmax_head.h"
#include "../optim/embedding_rows.h"
#include "packed_model.h"
#include "spec.h"
#include "weight_work.h"

namespace timernn {

/// Where a window is read: row r sees tokens[starts[r] + t] as input and tokens[starts[r] + t + 1] as target.
struct WindowInput {
  const std::uint32_t* tokens;
  std::size_t length;           ///< tokens in the corpus
  const std::uint32_t* starts;  ///< `rows` offsets
  std::size_t shift;            ///< added to every start (the window's position within its stream)
  std::size_t rows, steps;
  /// Where dropout's masks are drawn: the window's number in the whole run, and the first row's in the
  /// mini-batch.
  std::uint32_t run_window = 0, first_stream = 0;
};

/// Memory of the caller that a replica uses in place of its own.
struct Lent {
  /// The weights as the caller packs them before each call (packed_model.h, trainable); null: packed here.
  const float* packed = nullptr;
  bool work = false;  ///< whether work_in() comes before train_window()
};

class Replica {
 public:
  /// @param rows, window  the most rows and steps of any call
  /// @param lent  used if reads_packed()
  /// @param regularization  what train_window adds; the dropping of weights is the caller's: see read_instead
  Replica(ModelSpec spec, std::vector<std::size_t> offsets, std::size_t rows, std::size_t window,
          bool trainable, Lent lent = {}, Regularization regularization = {});

  /// From now on a tensor is read there instead of in the parameters of a call.
  void read_instead(std::size_t tensor, const float* at) { instead_[tensor] = at; }

  /// Forward, loss and truncated backward. `grads` (an arena laid out like params) is overwritten, `state`
  /// carried.
  /// @param touched  null, or the rows of the embedding's gradient that are not zero: those are cleared, and
  /// the list is that of this window afterwards. The caller starts with a table of zeros and an empty list.
  /// @param leave  whether to leave the parts of weight_part() to the caller
  /// @returns the sum of negative log-likelihoods in nats
  double train_window(float* grads, float* state, const float* params, const WindowInput& in, float scale,
                      TouchedRows* touched = nullptr, bool leave = false);

  /// Floats of what the weights' gradients are made from, for the work_in() of a trainable replica; 0 where
  /// nothing can be left.
  static std::size_t work_floats(const ModelSpec& spec, std::size_t rows, std::size_t window);
  /// From now on train_window() makes that there.
  void work_in(float* work);
  /// Parts of the gradient that a train_window() of that many rows (streams · steps) leaves.
  std::size_t weight_parts(std::size_t rows) const;
  /// Makes one of them from the work of any replica like this one. Each writes numbers of its own, the same
  /// whoever makes them.
  void weight_part(float* grads, const float* work, std::size_t rows, std::size_t part) const;
  /// Forward and loss only; `state` carried.
  double forward_window(float* state, const float* params, const WindowInput& in);

  std::size_t workspace_bytes() const;
  /// Whether windows of this size multiply with packed weights at all.
  bool reads_packed() const { return view_.head != nullptr; }
  const ModelSpec& spec() const { return spec_; }
  std::size_t rows() const { return rows_; }
  std::size_t window() const { return window_; }

 private:
  void make_dropout();
  void gather(const float* params, const WindowInput& in);
  void drop_inputs(const WindowInput& in);
  void drop_outputs(std::size_t layer, const WindowInput& in);
  void back_through_dropout(float* dhs, std::size_t layer, const WindowInput& in, float scale) const;
  void forward_layers(float* state, const float* params, const WindowInput& in);
  float* backward_layers(const WindowInput& in, float scale);
  std::size_t work_floats() const;
  void expect_work() const;
  std::size_t head_parts(std::size_t rows) const;
  void clear_table(TouchedRows* touched);
  void scatter(float* dxs, const WindowInput& in, TouchedRows* touched);
  void keep_inputs(const float* dxs, std::size_t rows);
  void add_inputs(float* grads, const float* work, std::size_t rows, SoftmaxHead::Range words) const;
  void bind(const float* params);
  const float* const* packed_of(std::size_t layer) const;
  HeadDims head_dims() const;
  HeadInput head_input(const WindowInput& in) const;
  CellDims dims(std::size_t layer, const WindowInput& in) const;
  const float* input_of(std::size_t layer, const WindowInput& in) const;

  ModelSpec spec_;
  std::vector<std::size_t> offsets_;  ///< of each tensor, table order
  std::vector<std::size_t> first_;  ///< table index of each layer's first tensor; the last entry is output.W
  std::size_t rows_, window_;
  bool trainable_;
  std::vector<std::uint32_t> targets_;  ///< T·n, time-major
  std::vector<std::uint32_t> inputs_;
  std::vector<std::uint32_t> seen_;  ///< the window that last touched a row of the embedding
  std::uint32_t windows_ = 0;
  std::vector<const float*> params_;   ///< pointers of the current call, table order
  std::vector<const float*> instead_;  ///< null but for tensors that are read elsewhere
  std::vector<float*> grads_;
  Buffer embedded_;               ///< T·n×D
  std::vector<Buffer> hs_;        ///< a layer: (T+1)·n×H
  std::vector<Buffer> ws_;        ///< a layer: what its cell keeps for backward
  Buffer scratch_;                ///< the cells' scratch, shared
  Buffer dstate_;                 ///< states·n×H of the widest layer
  Buffer da_, db_;                ///< gradients between layers, T·n×max(D, H), used in turn
  Buffer own_packed_, own_work_;  ///< where the caller lends none
  WeightWork weight_work_;
  /// The head's, then weight_work_'s; then, where tied, the gradient of the inputs, T·n×D, and a word each
  /// that says which word it was (none: the vocabulary's size).
  float* work_ = nullptr;
  std::size_t weights_at_ = 0, inputs_at_ = 0;
  PackedModel packed_;
  PackedModel::View view_;  ///< empty where nothing is packed
  SoftmaxHead head_;

  Regularization regularization_;
  bool noisy_ = false;  ///< whether the current call drops anything
  Dropout input_dropout_;
  std::vector<Dropout> dropout_;  ///< a recurrent layer
  std::vector<Buffer> dropped_;  ///< a recurrent layer's outputs after dropout, T·n×H; empty where none drop
  std::vector<float> word_factor_;  ///< a position: 0 where its word is dropped; empty where none are
};

}  // namespace timernn
