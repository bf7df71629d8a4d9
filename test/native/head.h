// The fused head as tests call it, whichever way products go.
#pragma once

#include "core/buffer.h"
#include "gemm/packed.h"
#include "losses/softmax_head.h"

namespace timernn::test {

/// A head with its weights packed before each call, as the replica does it where products are packed.
class Head {
 public:
  Head(const HeadDims& most, bool trainable)
      : most_(most),
        trainable_(trainable),
        packed_(gemm_path() == GemmPath::packed ? packed_head_floats(most.H, most.V, trainable) : 0),
        head_(most, trainable, packed_.size() > 0 ? packed_.data() : nullptr) {}
  double forward(const HeadInput& in) {
    pack(in);
    return head_.forward(in);
  }
  double forward_backward(const HeadInput& in, const HeadGrads& grads) {
    pack(in);
    return head_.forward_backward(in, grads);
  }
  const SoftmaxHead& operator*() const { return head_; }

 private:
  // In three shares, as three workers would.
  void pack(const HeadInput& in) {
    if (packed_.size() == 0) return;
    for (std::size_t part = 0; part < 3; ++part) {
      pack_head(packed_.data(), {in.W, in.b, most_.H, most_.V, most_.tied}, trainable_, part, 3);
    }
  }
  HeadDims most_;
  bool trainable_;
  Buffer packed_;
  SoftmaxHead head_;
};

}  // namespace timernn::test
