// Packed weights and the engines that run batches of sessions' requests on them.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "args.h"
#include "infer/engine.h"

namespace timernn::binding {
namespace {

using Weights = std::shared_ptr<const PredictorWeights>;

// Tells our objects from others: unwrapping one that is not ours would crash.
constexpr napi_type_tag kWeightsTag = {0x7d1f5c0a94b24e63, 0x8e0b6fd2a1c94711};

Precision precision(const Napi::Value& value) {
  const std::string name = text(value, "precision");
  if (name == "float32") return Precision::float32;
  if (name == "bfloat16") return Precision::bfloat16;
  if (name == "int8") return Precision::int8;
  fail(value.Env(), "ERR_TIMERNN_OPTION",
       "Expected precision to be one of float32, bfloat16, int8, got \"" + name + "\"");
}

class PackedWeightsWrap : public Napi::ObjectWrap<PackedWeightsWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PackedWeights",
                       {InstanceMethod("pack", &PackedWeightsWrap::pack),
                        InstanceAccessor("bytes", &PackedWeightsWrap::bytes, nullptr)});
  }

  explicit PackedWeightsWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PackedWeightsWrap>(info) {
    guarded(info.Env(), [&] {
      spec_ = spec(info[0]);
      offsets_ = offsets(info[1], spec_);
      precision_ = precision(info[2]);
      info.This().As<Napi::Object>().TypeTag(&kWeightsTag);
    });
  }

  void Finalize(Napi::Env env) override {
    if (*weights_ != nullptr) Napi::MemoryManagement::AdjustExternalMemory(env, -memory(**weights_));
  }

  // Set once, by a call that is done before anybody can ask for an engine.
  const Weights& weights(Napi::Env env) const {
    if (*weights_ == nullptr)
      fail(env, "ERR_TIMERNN_STATE", "Expected the weights to be packed, got none yet");
    return *weights_;
  }

 private:
  Napi::Value pack(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto params = floats(info[0], "params");
      const std::size_t least = arena_floats(offsets_, spec_);
      if (params.length < least) {
        fail(info.Env(), "ERR_TIMERNN_SHAPE",
             "Expected params to have at least " + std::to_string(least) + " elements, got " +
                 std::to_string(params.length));
      }
      auto made = std::make_shared<Weights>();
      const auto work = [=, model = spec_, at = offsets_, precision = precision_] {
        *made = std::make_shared<const PredictorWeights>(model, at, params.data, precision);
      };
      const auto finish = [made, slot = weights_](Napi::Env env) {
        // So that the collector knows what hangs on a small object.
        if (*slot == nullptr) Napi::MemoryManagement::AdjustExternalMemory(env, memory(**made));
        *slot = *made;
        return env.Undefined();
      };
      return run_async(info.Env(), work, finish, {info[0], info.This()});
    });
  }

  Napi::Value bytes(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), static_cast<double>(weights(info.Env())->bytes()));
    });
  }

  static std::int64_t memory(const PredictorWeights& w) {
    return static_cast<std::int64_t>(w.bytes() + w.spec().vocabulary * w.spec().embedding * sizeof(float));
  }

  ModelSpec spec_;
  std::vector<std::size_t> offsets_;
  Precision precision_ = Precision::float32;
  std::shared_ptr<Weights> weights_ = std::make_shared<Weights>();
};

// Columns of `numbers`, a row a request; see NativeBatch in src/native-types.ts.
enum Number { kAsk, kTokens, kPeek, kK, kLength, kTemperature, kPosition, kExcluded, kNumbers };

// The arrays of a batch with their places handed out to the requests, all checked.
class Batch {
 public:
  Batch(const Napi::Value& value, const Engine& engine) : env_(value.Env()), engine_(engine) {
    const Napi::Object o = object(value, "batch");
    // All are read before any address is taken: reading one may run the caller's code.
    for (const char* name :
         {"states", "numbers", "seeds", "tokens", "probabilities", "ids", "scores", "finite"}) {
      held_.push_back(o.Get(name));
    }
    const auto seeds = bigs(held_[2]);
    count_ = seeds.length;
    if (count_ > engine.rows()) refuse("at most " + std::to_string(engine.rows()) + " requests", count_);
    const std::size_t S = state_floats(engine.weights().spec(), 1);
    const auto states = floats(held_[0], "states", count_ * S);
    const auto numbers = doubles(held_[1], "numbers", count_ * kNumbers);
    // A copy: what was checked is what is read.
    const auto tokens = uints(held_[3], "tokens");
    copied_.assign(tokens.data, tokens.data + tokens.length);
    tokens_ = {copied_.data(), copied_.size()};
    probabilities_ = floats(held_[4], "probabilities");
    ids_ = uints(held_[5], "ids");
    scores_ = doubles(held_[6], "scores");
    finite_ = bytes(held_[7], "finite", count_);
    for (std::size_t i = 0; i < count_; ++i) {
      requests_.push_back(request(states.data + i * S, numbers.data + i * kNumbers, seeds.data[i]));
    }
    check_tokens();
  }

  void run(Engine& engine) {
    engine.run(requests_.data(), count_);
    for (std::size_t i = 0; i < count_; ++i) finite_.data[i] = requests_[i].finite ? 1 : 0;
  }
  /// The values whose memory is used, for the caller to hold: their handles end with this call of JavaScript.
  std::vector<Napi::Value> release() { return std::move(held_); }

 private:
  [[noreturn]] void refuse(const std::string& expected, std::size_t got) const {
    fail(env_, "ERR_TIMERNN_SHAPE", "Expected " + expected + ", got " + std::to_string(got));
  }
  Span<std::uint64_t> bigs(const Napi::Value& value) const {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array) {
      fail(env_, "ERR_TIMERNN_SHAPE", "Expected seeds to be a BigUint64Array");
    }
    auto array = value.As<Napi::BigUint64Array>();
    return {array.Data(), array.ElementLength()};
  }
  std::size_t whole(double x, const char* name) const {
    if (!(x >= 0.0 && x < 9.1e15) || x != std::floor(x)) {
      fail(env_, "ERR_TIMERNN_OPTION",
           std::string("Expected ") + name + " to be a whole number of at least 0");
    }
    return static_cast<std::size_t>(x);
  }
  // The next `count` of an array.
  template <typename T>
  T* take(const Span<T>& from, std::size_t& used, std::size_t count, const char* name) const {
    if (count > from.length - used) {
      fail(env_, "ERR_TIMERNN_SHAPE",
           std::string("Expected ") + name + " to have more than " + std::to_string(from.length) +
               " elements");
    }
    T* out = from.data + used;
    used += count;
    return out;
  }

  SessionRequest request(float* state, const double* n, std::uint64_t seed) {
    const std::size_t V = engine_.weights().spec().vocabulary, ask = whole(n[kAsk], "ask");
    if (ask > static_cast<std::size_t>(Ask::sample)) refuse("ask to be at most 4", ask);
    SessionRequest r;
    r.state = state;
    r.ask = static_cast<Ask>(ask);
    r.count = whole(n[kTokens], "token counts");
    r.tokens = take(tokens_, tokens_used_, r.count, "tokens");
    r.peek = n[kPeek] != 0.0;
    r.k = whole(n[kK], "k");
    r.length = whole(n[kLength], "length");
    r.temperature = n[kTemperature];
    if (!(r.temperature >= 0.0 && std::isfinite(r.temperature))) {
      fail(env_, "ERR_TIMERNN_OPTION", "Expected temperature to be a finite number of at least 0");
    }
    r.seed = seed;
    r.position = whole(n[kPosition], "position");
    if (n[kExcluded] >= 0.0) r.excluded = whole(n[kExcluded], "excluded");
    if (r.ask == Ask::top && (r.k == 0 || r.k > V)) refuse("k to lie in [1, " + std::to_string(V) + "]", r.k);
    if (r.ask == Ask::probabilities)
      r.probabilities = take(probabilities_, probabilities_used_, V, "probabilities");
    if (r.ask == Ask::top) {
      r.probabilities = take(probabilities_, probabilities_used_, r.k, "probabilities");
      r.ids = take(ids_, ids_used_, r.k, "ids");
    }
    if (r.ask == Ask::sample) r.ids = take(ids_, ids_used_, r.length, "ids");
    if (r.ask == Ask::score) r.scores = take(scores_, scores_used_, r.count, "scores");
    return r;
  }

  void check_tokens() const {
    const std::size_t V = engine_.weights().spec().vocabulary;
    for (std::size_t i = 0; i < tokens_used_; ++i) {
      if (tokens_.data[i] < V) continue;
      fail(env_, "ERR_TIMERNN_TOKEN",
           "Expected tokens below the vocabulary size " + std::to_string(V) + ", got " +
               std::to_string(tokens_.data[i]));
    }
  }

  Napi::Env env_;
  const Engine& engine_;
  std::vector<Napi::Value> held_;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> copied_;
  Span<std::uint32_t> tokens_{}, ids_{};
  Span<float> probabilities_{};
  Span<double> scores_{};
  Span<std::uint8_t> finite_{};
  std::size_t tokens_used_ = 0, probabilities_used_ = 0, ids_used_ = 0, scores_used_ = 0;
  std::vector<SessionRequest> requests_;
};

class EngineWrap : public Napi::ObjectWrap<EngineWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Engine",
        {InstanceMethod("run", &EngineWrap::run), InstanceMethod("runSync", &EngineWrap::run_sync)});
  }

  explicit EngineWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineWrap>(info) {
    guarded(info.Env(), [&] {
      const Napi::Object from = object(info[0], "weights");
      if (!from.CheckTypeTag(&kWeightsTag)) {
        fail(info.Env(), "ERR_TIMERNN_OPTION", "Expected weights to be PackedWeights, got another object");
      }
      const auto* wrap = PackedWeightsWrap::Unwrap(from);
      const std::size_t rows = size(info[1], "rows", 1), threads = size(info[2], "threads", 1);
      engine_ = std::make_shared<Engine>(wrap->weights(info.Env()), rows, threads);
    });
  }

 private:
  void take(Napi::Env env) {
    if (!busy_->exchange(true)) return;
    fail(env, "ERR_TIMERNN_BUSY", "Expected the engine to be idle, got a call while one is running");
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto batch = std::make_shared<Batch>(info[0], *engine_);
      std::vector<Napi::Value> keep = batch->release();
      keep.push_back(info.This());
      take(info.Env());
      return run_async(
          info.Env(), [batch, engine = engine_] { batch->run(*engine); },
          [](Napi::Env env) { return env.Undefined(); }, keep, [busy = busy_] { busy->store(false); });
    });
  }

  struct Release {
    std::atomic<bool>* busy;
    ~Release() { busy->store(false); }
  };

  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      Batch batch(info[0], *engine_);
      take(info.Env());
      const Release release{busy_.get()};
      batch.run(*engine_);
      return info.Env().Undefined();
    });
  }

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<std::atomic<bool>> busy_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

void register_predictor(Napi::Env env, Napi::Object exports) {
  exports.Set("PackedWeights", PackedWeightsWrap::define(env));
  exports.Set("Engine", EngineWrap::define(env));
}

}  // namespace timernn::binding
