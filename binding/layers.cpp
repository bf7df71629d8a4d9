// The book's layers: synchronous calls on arrays of the caller.
#include <cstring>

#include "args.h"
#include "layers/affine.h"
#include "layers/embedding.h"
#include "layers/window.h"
#include "losses/softmax_cross_entropy.h"

namespace timernn::binding {
namespace {

CellDims window_dims(const Napi::Value& value) {
  if (!value.IsObject()) fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected dims to be an object");
  const Napi::Object o = value.As<Napi::Object>();
  return {size(o.Get("T"), "T", 1), size(o.Get("N"), "N", 1), size(o.Get("D"), "D", 1),
          size(o.Get("H"), "H", 1)};
}

Napi::Value rnn_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const CellDims d = window_dims(info[6]);
    const std::size_t rows = d.n * d.T;
    layer_forward({floats(info[0], "hs", rows * d.H).data,
                   floats(info[1], "xs", rows * d.D).data,
                   floats(info[2], "h0", d.n * d.H).data,
                   {floats(info[3], "Wx", d.D * d.H).data, floats(info[4], "Wh", d.H * d.H).data,
                    floats(info[5], "b", d.H).data},
                   d});
    return info.Env().Undefined();
  });
}

Napi::Value rnn_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const CellDims d = window_dims(info[12]);
    const std::size_t rows = d.n * d.T;
    const auto in = [&](std::size_t i, const char* name, std::size_t n) {
      return floats(info[i], name, n).data;
    };
    layer_backward({in(0, "dxs", rows * d.D),
                    in(1, "dh0", d.n * d.H),
                    {in(2, "dWx", d.D * d.H), in(3, "dWh", d.H * d.H), in(4, "db", d.H)},
                    in(5, "dhs", rows * d.H),
                    in(6, "dhNext", d.n * d.H),
                    in(7, "xs", rows * d.D),
                    in(8, "hs", rows * d.H),
                    in(9, "h0", d.n * d.H),
                    {in(10, "Wx", d.D * d.H), in(11, "Wh", d.H * d.H), nullptr},
                    d});
    return info.Env().Undefined();
  });
}

Napi::Value embedding_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const EmbeddingDims d{size(info[3], "V", 1), size(info[4], "D", 1)};
    const auto ids = ints(info[1], "ids");
    float* out = floats(info[0], "out", ids.length * d.D).data;
    const float* W = floats(info[2], "W", d.V * d.D).data;
    for (std::size_t i = 0; i < ids.length; ++i) embedding_row(out + i * d.D, W, ids.data[i], d);
    return info.Env().Undefined();
  });
}

Napi::Value embedding_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const EmbeddingDims d{size(info[3], "V", 1), size(info[4], "D", 1)};
    const auto ids = ints(info[2], "ids");
    float* dW = floats(info[0], "dW", d.V * d.D).data;
    const float* dout = floats(info[1], "dout", ids.length * d.D).data;
    std::memset(dW, 0, d.V * d.D * sizeof(float));
    for (std::size_t i = 0; i < ids.length; ++i) embedding_row_backward(dW, dout + i * d.D, ids.data[i], d);
    return info.Env().Undefined();
  });
}

AffineDims affine_dims(const Napi::CallbackInfo& info, std::size_t at) {
  return {size(info[at], "M", 1), size(info[at + 1], "I", 1), size(info[at + 2], "O", 1)};
}

Napi::Value affine_forward_call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const AffineDims d = affine_dims(info, 4);
    affine_forward(floats(info[0], "y", d.M * d.O).data, floats(info[1], "x", d.M * d.I).data,
                   floats(info[2], "W", d.I * d.O).data, floats(info[3], "b", d.O).data, d);
    return info.Env().Undefined();
  });
}

Napi::Value affine_backward_call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const AffineDims d = affine_dims(info, 6);
    affine_backward({floats(info[0], "dx", d.M * d.I).data, floats(info[1], "dW", d.I * d.O).data,
                     floats(info[2], "db", d.O).data},
                    floats(info[3], "dy", d.M * d.O).data, floats(info[4], "x", d.M * d.I).data,
                    floats(info[5], "W", d.I * d.O).data, d);
    return info.Env().Undefined();
  });
}

Napi::Value loss_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const LossDims d{size(info[4], "M", 1), size(info[5], "V", 1)};
    const double loss = softmax_loss_forward(
        floats(info[0], "probs", d.M * d.V).data, floats(info[1], "logits", d.M * d.V).data,
        ints(info[2], "labels", d.M).data, static_cast<std::int32_t>(number(info[3], "ignoreLabel")), d);
    return Napi::Number::New(info.Env(), loss);
  });
}

Napi::Value loss_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const LossDims d{size(info[5], "M", 1), size(info[6], "V", 1)};
    softmax_loss_backward(floats(info[0], "dlogits", d.M * d.V).data,
                          floats(info[1], "probs", d.M * d.V).data, ints(info[2], "labels", d.M).data,
                          static_cast<std::int32_t>(number(info[3], "ignoreLabel")),
                          static_cast<float>(number(info[4], "dout")), d);
    return info.Env().Undefined();
  });
}

}  // namespace

void register_layers(Napi::Env env, Napi::Object exports) {
  exports.Set("rnnForward", Napi::Function::New(env, rnn_forward, "rnnForward"));
  exports.Set("rnnBackward", Napi::Function::New(env, rnn_backward, "rnnBackward"));
  exports.Set("embeddingForward", Napi::Function::New(env, embedding_forward, "embeddingForward"));
  exports.Set("embeddingBackward", Napi::Function::New(env, embedding_backward, "embeddingBackward"));
  exports.Set("affineForward", Napi::Function::New(env, affine_forward_call, "affineForward"));
  exports.Set("affineBackward", Napi::Function::New(env, affine_backward_call, "affineBackward"));
  exports.Set("softmaxLossForward", Napi::Function::New(env, loss_forward, "softmaxLossForward"));
  exports.Set("softmaxLossBackward", Napi::Function::New(env, loss_backward, "softmaxLossBackward"));
}

}  // namespace timernn::binding
