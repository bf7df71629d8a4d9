// What a run works on, as the main thread describes it: read once, checked, turned into addresses.
// Refuses to do: rounds.
#include "plan.h"

#include <algorithm>
#include <numeric>

#include "args.h"
#include "model/packed_model.h"

namespace timernn::binding {
namespace {

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

void shards(RunPlan& plan, const Napi::Object& o) {
  const Napi::Value rows = o.Get("shardRows");
  if (!rows.IsArray() || rows.As<Napi::Array>().Length() == 0) {
    fail(o.Env(), "ERR_TIMERNN_SHAPE", "Expected shardRows to be an array of at least one shard");
  }
  const auto list = rows.As<Napi::Array>();
  const std::uint32_t count = list.Length();
  for (std::uint32_t s = 0; s < count; ++s) {
    plan.shard_rows.push_back(size(list.Get(s), "shardRows[]", 1));
  }
  plan.grads = float_list(o.Get("grads"), "grads", count);
  plan.states = float_list(o.Get("states"), "states", count);
  for (std::uint32_t s = 0; s < count; ++s) {
    floats(o.Get("grads").As<Napi::Array>().Get(s), "grads[]", plan.params_length);
    floats(o.Get("states").As<Napi::Array>().Get(s), "states[]", state_floats(plan.spec, plan.shard_rows[s]));
  }
}

// The tokens, where each stream of each shard begins in them, and the windows with their step sizes.
void streams(RunPlan& plan, const Napi::Object& o) {
  const auto tokens = uints(o.Get("tokens"), "tokens");
  plan.tokens = tokens.data;
  plan.length = tokens.length;
  const std::size_t count = std::accumulate(plan.shard_rows.begin(), plan.shard_rows.end(), std::size_t{0});
  plan.stream_starts = uints(o.Get("streamStarts"), "streamStarts", count).data;
  plan.stream_steps = size(o.Get("streamSteps"), "streamSteps", 1);
  const auto edges = uints(o.Get("edges"), "edges");
  if (edges.length < 2) fail(o.Env(), "ERR_TIMERNN_SHAPE", "Expected edges to have at least 2 elements");
  plan.edges = edges.data;
  plan.windows = edges.length - 1;
  plan.rates = doubles(o.Get("rates"), "rates", plan.windows).data;
}

}  // namespace

Napi::Object run_snapshot(const Napi::Object& run) {
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

RunPlan run_plan(const Napi::Object& o) {
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
  shards(out, o);
  out.window = size(o.Get("window"), "window", 1);
  out.touched = touched(o.Get("touched"), out);
  streams(out, o);
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
  out.scratch =
      doubles(o.Get("scratch"), "scratch", Runner::scratch_doubles(params.length, out.shard_rows.size()))
          .data;
  return out;
}

}  // namespace timernn::binding
