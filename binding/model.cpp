// Tensor tables, initialisation, the replica and the stepper.
#include <algorithm>
#include <atomic>
#include <memory>

#include "args.h"
#include "model/replica.h"
#include "model/stepper.h"

namespace timernn::binding {
namespace {

Napi::Value tensor_table_call(const Napi::CallbackInfo& info) {
  return tensor_list(info.Env(), tensor_table(spec(info[0])));
}

Napi::Value state_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           static_cast<double>(state_floats(spec(info[0]), size(info[1], "rows", 1))));
}

Span<float> arena(const Napi::Value& value, const char* name, std::size_t least) {
  const auto out = floats(value, name);
  if (out.length < least) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to have at least " + std::to_string(least) + " elements, got " +
             std::to_string(out.length));
  }
  return out;
}

Napi::Value initialise_call(const Napi::CallbackInfo& info) {
  const ModelSpec model = spec(info[1]);
  const auto at = offsets(info[2], model);
  float* params = arena(info[0], "params", arena_floats(at, model)).data;
  const std::uint64_t s = seed(info[3], "seed");
  Start start;
  if (!info[4].IsUndefined()) start.range = number(info[4], "range");
  if (!info[5].IsUndefined()) start.memory = number(info[5], "memory");
  return run_async(
      info.Env(), [=] { initialise(params, at, model, s, start); },
      [](Napi::Env env) { return env.Undefined(); }, {info[0]});
}

Napi::Value initialise_cell(const Napi::CallbackInfo& info) {
  const auto table = cell(info[1]).tensors(size(info[2], "D", 1), size(info[3], "H", 1));
  const std::uint64_t s = seed(info[4], "seed");
  if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() != table.size()) {
    fail(info.Env(), "ERR_TIMERNN_SHAPE",
         "Expected tensors to be an array of " + std::to_string(table.size()) + " arrays");
  }
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    const Napi::Value out = info[0].As<Napi::Array>().Get(i);
    initialise_tensor(floats(out, table[i].name.c_str(), table[i].length()).data, table[i], s, i);
  }
  return info.Env().Undefined();
}

// An object may be used by one asynchronous call at a time; the flag is released when that call is done.
using Busy = std::shared_ptr<std::atomic<bool>>;
void take(Napi::Env env, const Busy& busy, const char* what) {
  if (busy->exchange(true)) {
    fail(env, "ERR_TIMERNN_BUSY",
         std::string("Expected the ") + what + " to be idle, got a call while one is running");
  }
}

class ReplicaWrap : public Napi::ObjectWrap<ReplicaWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Replica",
                       {InstanceMethod("trainWindow", &ReplicaWrap::train_window),
                        InstanceMethod("forwardWindow", &ReplicaWrap::forward_window),
                        InstanceMethod("evaluate", &ReplicaWrap::evaluate),
                        InstanceAccessor("workspaceBytes", &ReplicaWrap::workspace_bytes, nullptr)});
  }

  explicit ReplicaWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ReplicaWrap>(info) {
    guarded(info.Env(), [&] {
      const ModelSpec model = spec(info[0]);
      const auto at = offsets(info[1], model);
      floats_ = arena_floats(at, model);
      replica_ = std::make_shared<Replica>(model, at, size(info[2], "rows", 1), size(info[3], "window", 1),
                                           info[4].ToBoolean().Value());
    });
  }

 private:
  WindowInput input(const Napi::Value& tokens, const Napi::Value& starts, const Napi::Value& steps,
                    bool whole) {
    const auto corpus = uints(tokens, "tokens");
    const auto rows = uints(starts, "starts");
    const std::size_t count = size(steps, "steps", 1);
    if (rows.length == 0 || rows.length > replica_->rows() || (!whole && count > replica_->window())) {
      fail(tokens.Env(), "ERR_TIMERNN_SHAPE",
           "Expected at most " + std::to_string(replica_->rows()) + " rows and " +
               std::to_string(replica_->window()) + " steps, got " + std::to_string(rows.length) + " and " +
               std::to_string(count));
    }
    return {corpus.data, corpus.length, rows.data, 0, rows.length, count};
  }

  Napi::Value train_window(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const WindowInput in = input(info[3], info[4], info[5], false);
      float* grads = arena(info[0], "grads", floats_).data;
      float* state = floats(info[1], "state", state_floats(replica_->spec(), in.rows)).data;
      const float* params = arena(info[2], "params", floats_).data;
      const auto scale = static_cast<float>(number(info[6], "scale"));
      take(info.Env(), busy_, "replica");
      const Release release{busy_};
      return Napi::Number::New(info.Env(), replica_->train_window(grads, state, params, in, scale));
    });
  }

  Napi::Value forward_window(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const WindowInput in = input(info[2], info[3], info[4], false);
      float* state = floats(info[0], "state", state_floats(replica_->spec(), in.rows)).data;
      const float* params = arena(info[1], "params", floats_).data;
      take(info.Env(), busy_, "replica");
      const Release release{busy_};
      return Napi::Number::New(info.Env(), replica_->forward_window(state, params, in));
    });
  }

  // Whole streams, window after window, off the calling thread.
  Napi::Value evaluate(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const WindowInput in = input(info[2], info[3], info[4], true);
      float* state = floats(info[0], "state", state_floats(replica_->spec(), in.rows)).data;
      const float* params = arena(info[1], "params", floats_).data;
      take(info.Env(), busy_, "replica");
      auto loss = std::make_shared<double>(0.0);
      const auto work = [in, state, params, loss, replica = replica_] {
        for (std::size_t done = 0; done < in.steps; done += replica->window()) {
          WindowInput part = in;
          part.shift = done;
          part.steps = std::min(replica->window(), in.steps - done);
          *loss += replica->forward_window(state, params, part);
        }
      };
      return run_async(
          info.Env(), work, [loss](Napi::Env env) { return Napi::Number::New(env, *loss); },
          {info[0], info[1], info[2], info[3], info.This()}, [busy = busy_] { busy->store(false); });
    });
  }

  Napi::Value workspace_bytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(replica_->workspace_bytes()));
  }

  struct Release {
    const Busy& busy;
    ~Release() { busy->store(false); }
  };

  std::shared_ptr<Replica> replica_;
  std::size_t floats_ = 0;
  Busy busy_ = std::make_shared<std::atomic<bool>>(false);
};

class StepperWrap : public Napi::ObjectWrap<StepperWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Stepper",
        {InstanceMethod("generate", &StepperWrap::generate), InstanceMethod("score", &StepperWrap::score)});
  }

  explicit StepperWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StepperWrap>(info) {
    guarded(info.Env(), [&] {
      const ModelSpec model = spec(info[0]);
      const auto at = offsets(info[1], model);
      floats_ = arena_floats(at, model);
      stepper_ = std::make_shared<Stepper>(model, at);
    });
  }

 private:
  using Tokens = std::vector<std::uint32_t>;

  static Tokens copy(const Napi::Value& value, const char* name) {
    const auto span = uints(value, name);
    return Tokens(span.data, span.data + span.length);
  }

  Napi::Value generate(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      if (!info[0].IsObject())
        fail(info.Env(), "ERR_TIMERNN_OPTION", "Expected generate options to be an object");
      const Napi::Object o = info[0].As<Napi::Object>();
      const Tokens input = copy(o.Get("input"), "input");
      const std::size_t count = size(o.Get("count"), "count");
      const SampleOptions sample{number(o.Get("temperature"), "temperature"), size(o.Get("topK"), "topK"),
                                 seed(o.Get("seed"), "seed"), size(o.Get("position"), "position"),
                                 copy(o.Get("exclude"), "exclude")};
      // Last, and once: the other properties' getters may run anything.
      const Napi::Value held = o.Get("params");
      const float* params = arena(held, "params", floats_).data;
      take(info.Env(), busy_, "stepper");
      auto out = std::make_shared<Tokens>();
      const auto work = [=, stepper = stepper_] { *out = stepper->generate(params, input, count, sample); };
      const auto finish = [out](Napi::Env env) -> Napi::Value {
        auto array = Napi::Uint32Array::New(env, out->size());
        std::copy(out->begin(), out->end(), array.Data());
        return array;
      };
      return run_async(info.Env(), work, finish, {held, info.This()}, [busy = busy_] { busy->store(false); });
    });
  }

  Napi::Value score(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      if (!info[0].IsObject())
        fail(info.Env(), "ERR_TIMERNN_OPTION", "Expected score options to be an object");
      const Napi::Object o = info[0].As<Napi::Object>();
      const Tokens tokens = copy(o.Get("tokens"), "tokens");
      const Napi::Value held = o.Get("params");
      const float* params = arena(held, "params", floats_).data;
      take(info.Env(), busy_, "stepper");
      auto total = std::make_shared<double>(0.0);
      const auto work = [=, stepper = stepper_] { *total = stepper->score(params, tokens); };
      return run_async(
          info.Env(), work, [total](Napi::Env env) { return Napi::Number::New(env, *total); },
          {held, info.This()}, [busy = busy_] { busy->store(false); });
    });
  }

  std::shared_ptr<Stepper> stepper_;
  std::size_t floats_ = 0;
  Busy busy_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

void register_model(Napi::Env env, Napi::Object exports) {
  exports.Set("tensorTable", Napi::Function::New(env, safe<tensor_table_call>, "tensorTable"));
  exports.Set("stateSize", Napi::Function::New(env, safe<state_size>, "stateSize"));
  exports.Set("initialise", Napi::Function::New(env, safe<initialise_call>, "initialise"));
  exports.Set("initialiseCell", Napi::Function::New(env, safe<initialise_cell>, "initialiseCell"));
  exports.Set("Replica", ReplicaWrap::define(env));
  exports.Set("Stepper", StepperWrap::define(env));
}

}  // namespace timernn::binding
