// Rounds: the runner of a worker thread, and the control block's words for the main thread.
// Refuses to do: reading what describes a run (plan.cpp).
#include <memory>

#include "args.h"
#include "model/packed_model.h"
#include "plan.h"

namespace timernn::binding {
namespace {

Control control(const Napi::Value& value) {
  return Control(ints(value, "control", Control::kWords).data);
}

class RunnerWrap : public Napi::ObjectWrap<RunnerWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Runner", {InstanceMethod("run", &RunnerWrap::run)});
  }

  explicit RunnerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RunnerWrap>(info) {
    guarded(info.Env(), [&] {
      if (!info[0].IsObject()) fail(info.Env(), "ERR_TIMERNN_OPTION", "Expected the run to be an object");
      const Napi::Object run = run_snapshot(info[0].As<Napi::Object>());
      RunPlan described = run_plan(run);
      control_ = described.control;
      runner_ = std::make_unique<Runner>(std::move(described));
      keep_ = Napi::Persistent(run);
      napi_add_env_cleanup_hook(info.Env(), thread_ends, this);
      watching_ = true;
    });
  }

  ~RunnerWrap() override {
    if (watching_) napi_remove_env_cleanup_hook(Env(), thread_ends, this);
  }

 private:
  // A thread that is ended before its task came to it (the thread that trains was terminated) would leave the
  // other ranks in their barrier for ever, and with them whoever joins their threads.
  static void thread_ends(void* self) {
    auto* wrap = static_cast<RunnerWrap*>(self);
    wrap->watching_ = false;
    Control(wrap->control_).poison();
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      if (!info[0].IsObject()) fail(env, "ERR_TIMERNN_OPTION", "Expected the round to be an object");
      const Napi::Object o = info[0].As<Napi::Object>();
      const RoundCall call{size(o.Get("rank"), "rank"),
                           size(o.Get("workers"), "workers", 1),
                           size(o.Get("from"), "from"),
                           size(o.Get("to"), "to"),
                           number(o.Get("clip"), "clip"),
                           size(o.Get("done"), "done"),
                           number(o.Get("clipValue"), "clipValue"),
                           o.Get("averageFrom").ToNumber().DoubleValue(),
                           number(o.Get("lossBefore"), "lossBefore")};
      const RoundResult result = runner_->run(call);
      Napi::Object out = Napi::Object::New(env), seconds = Napi::Object::New(env);
      seconds.Set("window", result.seconds.window);
      seconds.Set("reduce", result.seconds.reduce);
      seconds.Set("update", result.seconds.update);
      seconds.Set("wait", result.seconds.wait);
      out.Set("windows", static_cast<double>(result.windows));
      out.Set("lossSum", result.loss_sum);
      out.Set("lossTotal", result.loss_total);
      out.Set("tokens", static_cast<double>(result.tokens));
      out.Set("gradientNorm", result.gradient_norm);
      out.Set("stopped", result.stopped);
      out.Set("seconds", seconds);
      return out;
    });
  }

  std::unique_ptr<Runner> runner_;
  std::int32_t* control_ = nullptr;
  bool watching_ = false;
  Napi::ObjectReference keep_;
};

Napi::Value control_ints(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Control::kWords));
}

Napi::Value scratch_doubles(const Napi::CallbackInfo& info) {
  const auto count = Runner::scratch_doubles(size(info[0], "paramsLength", 1), size(info[1], "shards", 1));
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// 0 where this CPU or TIMERNN_GEMM takes the path that packs nothing.
Napi::Value packed_floats_call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const ModelSpec model = spec(info[0]);
    return Napi::Number::New(info.Env(), static_cast<double>(shared_packed_floats(model)));
  });
}

// 0 where no rank can help another.
Napi::Value work_floats_call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto floats =
        Runner::work_floats(spec(info[0]), size(info[1], "rows", 1), size(info[2], "window", 1));
    return Napi::Number::New(info.Env(), static_cast<double>(floats));
  });
}

Napi::Value touched_words_call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::size_t words =
        Runner::touched_words(spec(info[0]), size(info[1], "rows", 1), size(info[2], "window", 1));
    return Napi::Number::New(info.Env(), static_cast<double>(words));
  });
}

Napi::Value optimizers_call(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  for (const Optimizer* optimizer : optimizers()) {
    Napi::Object each = Napi::Object::New(info.Env());
    Napi::Array slots = Napi::Array::New(info.Env());
    for (std::uint32_t s = 0; s < optimizer->slot_count(); ++s) {
      slots.Set(s, Napi::String::New(info.Env(), optimizer->slots[s]));
    }
    each.Set("name", optimizer->name);
    each.Set("slots", slots);
    out.Set(out.Length(), each);
  }
  return out;
}

Napi::Value poison(const Napi::CallbackInfo& info) {
  control(info[0]).poison();
  return info.Env().Undefined();
}
Napi::Value cancel(const Napi::CallbackInfo& info) {
  control(info[0]).cancel();
  return info.Env().Undefined();
}
Napi::Value reset_control(const Napi::CallbackInfo& info) {
  control(info[0]).reset();
  return info.Env().Undefined();
}

}  // namespace

void register_train(Napi::Env env, Napi::Object exports) {
  exports.Set("Runner", RunnerWrap::define(env));
  exports.Set("optimizers", Napi::Function::New(env, optimizers_call, "optimizers"));
  exports.Set("controlInts", Napi::Function::New(env, control_ints, "controlInts"));
  exports.Set("scratchDoubles", Napi::Function::New(env, scratch_doubles, "scratchDoubles"));
  exports.Set("packedFloats", Napi::Function::New(env, packed_floats_call, "packedFloats"));
  exports.Set("workFloats", Napi::Function::New(env, work_floats_call, "workFloats"));
  exports.Set("touchedWords", Napi::Function::New(env, touched_words_call, "touchedWords"));
  exports.Set("poison", Napi::Function::New(env, poison, "poison"));
  exports.Set("cancel", Napi::Function::New(env, cancel, "cancel"));
  exports.Set("resetControl", Napi::Function::New(env, reset_control, "resetControl"));
}

}  // namespace timernn::binding
