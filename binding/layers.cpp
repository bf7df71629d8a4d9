// The book's layers: synchronous calls on arrays of the caller.
#include <cstring>

#include "args.h"
#include "layers/affine.h"
#include "layers/dropout.h"
#include "layers/embedding.h"
#include "layers/window.h"
#include "losses/softmax_cross_entropy.h"
#include "math/kernels.h"

namespace timernn::binding {
namespace {

// keep N·T·D bytes, overwritten with the mask that (seed, call) address; out = xs where kept, scaled.
Napi::Value dropout_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::size_t N = size(info[5], "N", 1), T = size(info[6], "T", 1), D = size(info[7], "D", 1);
    // The product of three sizes below 2^31 may not fit; an array cannot be that long anyway.
    if (N * T > 0x3fffffff) {
      fail(info.Env(), "ERR_TIMERNN_SHAPE",
           "Expected N times T to be below 2^30, got " + std::to_string(N * T));
    }
    const std::size_t n = N * T * D;
    float* out = floats(info[0], "out", n).data;
    std::uint8_t* keep = bytes(info[1], "keep", n).data;
    const float* xs = floats(info[2], "xs", n).data;
    const DropoutRate share(rate(info[3], "rate"));
    const std::uint64_t key = seed(info[4], "seed");
    const auto call = static_cast<std::uint32_t>(size(info[8], "call"));
    const bool locked = info[9].ToBoolean().Value();
    for (std::size_t i = 0; i < N; ++i) {
      for (std::size_t t = 0; t < T; ++t) {
        const MaskAddress at{key, kLayer, call, static_cast<std::uint32_t>(i)};
        dropout_mask(keep + (i * T + t) * D, at, share, locked ? 0 : t, 0, D);
      }
    }
    kernels().dropout_forward(out, xs, keep, share.scale(), n);
    return info.Env().Undefined();
  });
}

Napi::Value dropout_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto dout = floats(info[1], "dout");
    const DropoutRate share(rate(info[3], "rate"));
    kernels().dropout_forward(floats(info[0], "dxs", dout.length).data, dout.data,
                              bytes(info[2], "keep", dout.length).data, share.scale(), dout.length);
    return info.Env().Undefined();
  });
}

Napi::Value cell_forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Cell& c = cell(info[0]);
    const CellDims d = window_dims(info[7]);
    const std::size_t rows = d.n * d.T, state = c.states * d.n * d.H;
    const auto in = [&](std::size_t i, const char* name, std::size_t n) {
      return floats(info[i], name, n).data;
    };
    const auto params = tensors(info[6], "params", c.tensors(d.D, d.H));
    layer_forward({in(1, "hs", rows * d.H), in(2, "end", state), in(3, "ws", c.ws_floats(d)),
                   in(4, "xs", rows * d.D), in(5, "state", state), params.data(), c, d});
    return info.Env().Undefined();
  });
}

Napi::Value cell_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Cell& c = cell(info[0]);
    const CellDims d = window_dims(info[11]);
    const std::size_t rows = d.n * d.T, state = c.states * d.n * d.H;
    const auto in = [&](std::size_t i, const char* name, std::size_t n) {
      return floats(info[i], name, n).data;
    };
    const auto table = c.tensors(d.D, d.H);
    const auto grads = tensors(info[3], "grads", table), params = tensors(info[10], "params", table);
    layer_backward({in(1, "dxs", rows * d.D), in(2, "dstate", state), grads.data(), in(4, "dhs", rows * d.H),
                    in(5, "dnext", state), in(6, "ws", c.ws_floats(d)), in(7, "xs", rows * d.D),
                    in(8, "hs", rows * d.H), in(9, "state", state), params.data(), c, d});
    return info.Env().Undefined();
  });
}

Napi::Value cell_info(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Cell& c = cell(info[0]);
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("states", static_cast<double>(c.states));
    out.Set("tensors", tensor_list(info.Env(), c.tensors(size(info[1], "D", 1), size(info[2], "H", 1))));
    return out;
  });
}

Napi::Value cell_workspace(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(cell(info[0]).ws_floats(window_dims(info[1]))));
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
  exports.Set("dropoutForward", Napi::Function::New(env, dropout_forward, "dropoutForward"));
  exports.Set("dropoutBackward", Napi::Function::New(env, dropout_backward, "dropoutBackward"));
  exports.Set("cellForward", Napi::Function::New(env, cell_forward, "cellForward"));
  exports.Set("cellBackward", Napi::Function::New(env, cell_backward, "cellBackward"));
  exports.Set("cellInfo", Napi::Function::New(env, cell_info, "cellInfo"));
  exports.Set("cellWorkspace", Napi::Function::New(env, cell_workspace, "cellWorkspace"));
  exports.Set("embeddingForward", Napi::Function::New(env, embedding_forward, "embeddingForward"));
  exports.Set("embeddingBackward", Napi::Function::New(env, embedding_backward, "embeddingBackward"));
  exports.Set("affineForward", Napi::Function::New(env, affine_forward_call, "affineForward"));
  exports.Set("affineBackward", Napi::Function::New(env, affine_backward_call, "affineBackward"));
  exports.Set("softmaxLossForward", Napi::Function::New(env, loss_forward, "softmaxLossForward"));
  exports.Set("softmaxLossBackward", Napi::Function::New(env, loss_backward, "softmaxLossBackward"));
}

}  // namespace timernn::binding
