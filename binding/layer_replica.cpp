// A recurrent layer alone: its replica, and what several threads need to share one step.
#include "layers/layer_replica.h"

#include <memory>

#include "args.h"
#include "core/placement.h"
#include "gemm/packed.h"
#include "math/kernels.h"
#include "train/control.h"

namespace timernn::binding {
namespace {

class LayerReplicaWrap : public Napi::ObjectWrap<LayerReplicaWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "LayerReplica",
        {InstanceMethod("pack", &LayerReplicaWrap::pack), InstanceMethod("window", &LayerReplicaWrap::window),
         InstanceAccessor<&LayerReplicaWrap::packed_floats>("packedFloats")});
  }

  explicit LayerReplicaWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LayerReplicaWrap>(info) {
    guarded(info.Env(),
            [&] { replica_ = std::make_unique<LayerReplica>(cell(info[0]), window_dims(info[1])); });
  }

 private:
  std::vector<TensorInfo> table() const {
    return replica_->cell().tensors(replica_->dims().D, replica_->dims().H);
  }
  std::size_t packed_length() const {
    return gemm_path() == GemmPath::packed ? replica_->weights().floats() : 0;
  }

  Napi::Value packed_floats(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(packed_length()));
  }

  Napi::Value pack(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto params = tensors(info[1], "params", table());
      const std::size_t part = size(info[2], "part"), parts = size(info[3], "parts", part + 1);
      float* out = floats(info[0], "packed", packed_length()).data;
      if (packed_length() > 0) replica_->weights().pack(out, params.data(), part, parts);
      return info.Env().Undefined();
    });
  }

  Napi::Value window(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const CellDims& d = replica_->dims();
      const std::size_t rows = d.T * d.n;
      const auto grads = tensors(info[1], "grads", table()), params = tensors(info[5], "params", table());
      const float* packed = floats(info[6], "packed", packed_length()).data;
      replica_->window({floats(info[0], "dxs", rows * d.D).data, grads.data(),
                        floats(info[2], "state", replica_->cell().states * d.n * d.H).data,
                        floats(info[3], "xs", rows * d.D).data, floats(info[4], "dhs", rows * d.H).data,
                        params.data(), packed_length() > 0 ? packed : nullptr});
      return info.Env().Undefined();
    });
  }

  std::unique_ptr<LayerReplica> replica_;
};

// parts[0][i] += parts[s][i] for i in [from, to), in order of s.
Napi::Value sum_range(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsArray()) fail(info.Env(), "ERR_TIMERNN_SHAPE", "Expected parts to be an array");
    const auto list = info[0].As<Napi::Array>();
    const std::size_t from = size(info[1], "from"), to = size(info[2], "to", from);
    // All are read before any address is taken: reading one may run the caller's code.
    std::vector<Napi::Value> values;
    for (std::uint32_t s = 0; s < list.Length(); ++s) values.push_back(list.Get(s));
    float* sum = nullptr;
    for (std::size_t s = 0; s < values.size(); ++s) {
      const auto part = floats(values[s], "parts[]");
      if (part.length < to)
        fail(info.Env(), "ERR_TIMERNN_SHAPE", "Expected parts[] to reach to the end of the range");
      if (s == 0) {
        sum = part.data;
      } else {
        kernels().add(sum + from, part.data + from, to - from);
      }
    }
    return info.Env().Undefined();
  });
}

Napi::Value settle(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Control control(ints(info[0], "control", Control::kWords).data);
    Placement(control.cores()).settle(size(info[1], "rank"), size(info[2], "workers", 1));
    return info.Env().Undefined();
  });
}

}  // namespace

void register_layer_replica(Napi::Env env, Napi::Object exports) {
  exports.Set("LayerReplica", LayerReplicaWrap::define(env));
  exports.Set("sumRange", Napi::Function::New(env, sum_range, "sumRange"));
  exports.Set("settle", Napi::Function::New(env, settle, "settle"));
}

}  // namespace timernn::binding
