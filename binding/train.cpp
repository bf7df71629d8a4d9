// Rounds: the runner of a worker thread, and the control block's words for the main thread.
#include <algorithm>
#include <memory>

#include "args.h"
#include "model/packed_model.h"
#include "train/runner.h"

namespace timernn::binding {
namespace {

Control control(const Napi::Value& value) {
  return Control(ints(value, "control", Control::kWords).data);
}

std::vector<float*> float_list(const Napi::Value& value, const char* name, std::size_t count) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != count) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to be an array of " + std::to_string(count));
  }
  std::vector<float*> out;
  for (std::uint32_t i = 0; i < count; ++i) out.push_back(floats(value.As<Napi::Array>().Get(i), name).data);
  return out;
}

void check_length(const Napi::Value& value, const char* name, std::size_t least) {
  if (floats(value, name).length < least) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to have at least " + std::to_string(least) + " elements, got " +
             std::to_string(floats(value, name).length));
  }
}

// Every property is read here and only here: a getter cannot give one array to the checks and another to the
// run. What this returns also keeps the arrays alive. Their memory stays where it is if it is shared, as the
// trainer's is; a caller of the addon who transfers an array of a run away takes memory from under it.
Napi::Object snapshot(const Napi::Object& run) {
  Napi::Object out = Napi::Object::New(run.Env());
  for (const char* name :
       {"spec",           "offsets",   "params",  "tokens",   "streamStarts", "streamSteps",
        "window",         "control",   "scratch", "packed",   "grads",        "states",
        "touched",        "shardRows", "edges",   "rates",    "optimizer",    "slots",
        "regularization", "dropped",   "work",    "averages", "rateFactors"}) {
    out.Set(name, run.Get(name));
  }
  for (const char* name : {"grads", "states", "touched", "shardRows", "slots", "work"}) {
    const Napi::Value value = out.Get(name);
    if (!value.IsArray()) continue;
    const auto list = value.As<Napi::Array>();
    const std::uint32_t count = list.Length();
    Napi::Array copy = Napi::Array::New(run.Env());
    for (std::uint32_t i = 0; i < count; ++i) copy.Set(i, list.Get(i));
    out.Set(name, copy);
  }
  return out;
}

// Rows outside the table would be addresses outside the gradients, so what the lists hold is checked too.
std::vector<std::uint32_t*> touched(const Napi::Value& value, const RunPlan& plan) {
  const std::size_t shards = plan.shard_rows.size();
  if (!value.IsArray() || value.As<Napi::Array>().Length() != shards) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected touched to be an array of " + std::to_string(shards));
  }
  std::vector<std::uint32_t*> out;
  for (std::uint32_t s = 0; s < shards; ++s) {
    const std::size_t words = Runner::touched_words(plan.spec, plan.shard_rows[s], plan.window);
    std::uint32_t* list = uints(value.As<Napi::Array>().Get(s), "touched[]", words).data;
    const TouchedRows rows{list, words};
    if (list[0] >= words || std::any_of(rows.begin(), rows.end(),
                                        [&](std::uint32_t row) { return row >= plan.spec.vocabulary; })) {
      fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected touched[] to list rows of the embedding");
    }
    out.push_back(list);
  }
  return out;
}

// A place a rank, or none at all.
void work(RunPlan& plan, const Napi::Value& value) {
  if (value.IsUndefined()) return;
  if (!value.IsArray()) fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected work to be an array");
  const auto list = value.As<Napi::Array>();
  const std::size_t rows = *std::max_element(plan.shard_rows.begin(), plan.shard_rows.end());
  const std::size_t each = Runner::work_floats(plan.spec, rows, std::min(plan.window, plan.stream_steps));
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    plan.work.push_back(floats(list.Get(i), "work[]", each).data);
  }
}

// A property that may be left out: 0 then.
double number_or_zero(const Napi::Object& o, const char* name) {
  const Napi::Value value = o.Get(name);
  return value.IsUndefined() ? 0.0 : number(value, name);
}

std::vector<double> rates(const Napi::Value& value, const char* name, std::size_t count) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != count) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to be an array of " + std::to_string(count));
  }
  std::vector<double> out;
  for (std::uint32_t i = 0; i < count; ++i) out.push_back(rate(value.As<Napi::Array>().Get(i), name));
  return out;
}

Regularization regularization(const Napi::Value& value, const ModelSpec& model) {
  Regularization out;
  if (value.IsUndefined()) return out;
  const Napi::Object o = object(value, "regularization");
  out.seed = seed(o.Get("seed"), "regularization.seed");
  out.input = rate(o.Get("input"), "regularization.input");
  out.words = rate(o.Get("words"), "regularization.words");
  out.layers = rates(o.Get("layers"), "regularization.layers", model.recurrent_layers());
  out.weights = rates(o.Get("weights"), "regularization.weights", model.recurrent_layers());
  out.locked = o.Get("locked").ToBoolean().Value();
  out.activation = number(o.Get("activation"), "regularization.activation");
  out.temporal = number(o.Get("temporal"), "regularization.temporal");
  return out;
}

void optimizer(RunPlan& plan, const Napi::Value& value) {
  if (value.IsUndefined()) return;
  const Napi::Object o = object(value, "optimizer");
  const Napi::Value name = o.Get("name");
  plan.optimizer = name.IsString() ? find_optimizer(name.As<Napi::String>().Utf8Value()) : nullptr;
  if (plan.optimizer == nullptr) fail(value.Env(), "ERR_TIMERNN_OPTION", "Expected the name of an optimizer");
  plan.numbers = {number_or_zero(o, "momentum"), number_or_zero(o, "beta1"),      number_or_zero(o, "beta2"),
                  number_or_zero(o, "epsilon"),  number_or_zero(o, "smoothing"),  number_or_zero(o, "lambda"),
                  number_or_zero(o, "power"),    number_or_zero(o, "weightDecay")};
}

void rate_factors(RunPlan& plan, const Napi::Value& value) {
  if (value.IsUndefined()) return;
  if (!value.IsArray() || value.As<Napi::Array>().Length() != plan.offsets.size()) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         "Expected rateFactors to be an array of " + std::to_string(plan.offsets.size()));
  }
  const auto list = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < plan.offsets.size(); ++i)
    plan.rate_factors.push_back(number(list.Get(i), "rateFactors[]"));
}

void slots(RunPlan& plan, const Napi::Value& slots) {
  const std::size_t count = plan.slot_count();
  plan.slots = float_list(slots, "slots", count);
  for (std::uint32_t s = 0; s < count; ++s) {
    floats(slots.As<Napi::Array>().Get(s), "slots[]", plan.params_length);
  }
}

RunPlan plan(const Napi::Object& o) {
  RunPlan out{};
  out.spec = spec(o.Get("spec"));
  out.offsets = offsets(o.Get("offsets"), out.spec);
  // Objects of the caller first: a getter of theirs must not run once addresses have been taken.
  optimizer(out, o.Get("optimizer"));
  out.regularization = regularization(o.Get("regularization"), out.spec);
  rate_factors(out, o.Get("rateFactors"));
  const std::size_t least = arena_floats(out.offsets, out.spec);
  check_length(o.Get("params"), "params", least);
  const auto params = floats(o.Get("params"), "params");
  out.params = params.data;
  out.params_length = params.length;
  const Napi::Value rows = o.Get("shardRows");
  if (!rows.IsArray() || rows.As<Napi::Array>().Length() == 0) {
    fail(o.Env(), "ERR_TIMERNN_SHAPE", "Expected shardRows to be an array of at least one shard");
  }
  const auto list = rows.As<Napi::Array>();
  std::size_t streams = 0;
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    out.shard_rows.push_back(size(list.Get(i), "shardRows[]", 1));
    streams += out.shard_rows.back();
  }
  const std::size_t shards = out.shard_rows.size();
  out.grads = float_list(o.Get("grads"), "grads", shards);
  out.states = float_list(o.Get("states"), "states", shards);
  for (std::uint32_t s = 0; s < shards; ++s) {
    floats(o.Get("grads").As<Napi::Array>().Get(s), "grads[]", params.length);
    floats(o.Get("states").As<Napi::Array>().Get(s), "states[]", state_floats(out.spec, out.shard_rows[s]));
  }
  out.window = size(o.Get("window"), "window", 1);
  out.touched = touched(o.Get("touched"), out);
  const auto tokens = uints(o.Get("tokens"), "tokens");
  out.tokens = tokens.data;
  out.length = tokens.length;
  out.stream_starts = uints(o.Get("streamStarts"), "streamStarts", streams).data;
  out.stream_steps = size(o.Get("streamSteps"), "streamSteps", 1);
  const auto edges = uints(o.Get("edges"), "edges");
  if (edges.length < 2) fail(o.Env(), "ERR_TIMERNN_SHAPE", "Expected edges to have at least 2 elements");
  out.edges = edges.data;
  out.windows = edges.length - 1;
  out.rates = doubles(o.Get("rates"), "rates", out.windows).data;
  out.averages = o.Get("averages").ToBoolean();
  slots(out, o.Get("slots"));
  const Napi::Value dropped = o.Get("dropped");
  if (!dropped.IsUndefined()) out.dropped = floats(dropped, "dropped", params.length).data;
  out.control = ints(o.Get("control"), "control", Control::kWords).data;
  const Napi::Value packed = o.Get("packed");
  if (!packed.IsUndefined()) {
    const std::size_t wanted = shared_packed_floats(out.spec);
    float* shared = floats(packed, "packed", wanted).data;
    if (wanted > 0) out.packed = shared;
  }
  work(out, o.Get("work"));
  out.scratch = doubles(o.Get("scratch"), "scratch", Runner::scratch_doubles(params.length, shards)).data;
  return out;
}

class RunnerWrap : public Napi::ObjectWrap<RunnerWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Runner", {InstanceMethod("run", &RunnerWrap::run)});
  }

  explicit RunnerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RunnerWrap>(info) {
    guarded(info.Env(), [&] {
      if (!info[0].IsObject()) fail(info.Env(), "ERR_TIMERNN_OPTION", "Expected the run to be an object");
      const Napi::Object run = snapshot(info[0].As<Napi::Object>());
      RunPlan described = plan(run);
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
