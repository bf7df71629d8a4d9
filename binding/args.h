// Argument checks of the binding: type and length of every value, with the argument's name in the message.
// Refuses to do: meaning. TypeScript validates that before it calls.
#pragma once

#include <napi.h>

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "model/spec.h"

namespace timernn::binding {

/// Throws a JavaScript Error with our code.
[[noreturn]] void fail(Napi::Env env, const std::string& code, const std::string& message);

/// Runs `body` and turns native exceptions into JavaScript ones; nothing else may cross into Node.
template <typename F>
auto guarded(Napi::Env env, F body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& e) {
    fail(env, e.code(), e.what());
  } catch (const std::bad_alloc&) {
    fail(env, "ERR_TIMERNN_NATIVE",
         "Expected enough memory for the model's workspace, got an allocation failure");
  } catch (const std::exception& e) {
    fail(env, "ERR_TIMERNN_INTERNAL", e.what());
  }
}

/// A call of JavaScript with `guarded` around it: std::bad_alloc must not end the process.
template <Napi::Value (*call)(const Napi::CallbackInfo&)>
Napi::Value safe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return call(info); });
}

template <typename T>
struct Span {
  T* data;
  std::size_t length;
};

/// A typed array over any buffer, shared ones too. `expected` is checked unless it is kAnyLength.
inline constexpr std::size_t kAnyLength = static_cast<std::size_t>(-1);
Span<float> floats(const Napi::Value& value, const char* name, std::size_t expected = kAnyLength);
Span<double> doubles(const Napi::Value& value, const char* name, std::size_t expected = kAnyLength);
Span<std::int32_t> ints(const Napi::Value& value, const char* name, std::size_t expected = kAnyLength);
Span<std::uint32_t> uints(const Napi::Value& value, const char* name, std::size_t expected = kAnyLength);
Span<std::uint8_t> bytes(const Napi::Value& value, const char* name, std::size_t expected = kAnyLength);

/// An integer in [min, 2^31).
std::size_t size(const Napi::Value& value, const char* name, std::size_t min = 0);
double number(const Napi::Value& value, const char* name);
/// A number in [0, 1).
double rate(const Napi::Value& value, const char* name);
std::uint64_t seed(const Napi::Value& value, const char* name);
std::string text(const Napi::Value& value, const char* name);

/// A cell by its name in the registry.
const Cell& cell(const Napi::Value& name);
/// { T, N, D, H } of a layer.
CellDims window_dims(const Napi::Value& value);
/// An array of Float32Arrays, one for each tensor of the table.
std::vector<float*> tensors(const Napi::Value& value, const char* name, const std::vector<TensorInfo>& table);
/// A tensor table as an array of { name, shape }.
Napi::Array tensor_list(Napi::Env env, const std::vector<TensorInfo>& table);
ModelSpec spec(const Napi::Value& value);
Napi::Object object(const Napi::Value& value, const char* name);
/// Offsets in table order; arena_floats() says how far they reach.
std::vector<std::size_t> offsets(const Napi::Value& value, const ModelSpec& spec);
/// The floats that an arena must have so that every tensor lies within it.
std::size_t arena_floats(const std::vector<std::size_t>& offsets, const ModelSpec& spec);

/// A promise kept by work on a thread of the libuv pool. `keep` holds the JavaScript values whose memory is
/// used.
class PromiseWork : public Napi::AsyncWorker {
 public:
  using Finish = std::function<Napi::Value(Napi::Env)>;
  PromiseWork(Napi::Env env, std::function<void()> work, Finish finish, std::vector<Napi::Value> keep,
              std::function<void()> always = {});
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override;
  void OnOK() override;
  void OnError(const Napi::Error& error) override;

 private:
  Napi::Promise::Deferred deferred_;
  std::function<void()> work_, always_;
  Finish finish_;
  Napi::ObjectReference keep_;
  std::string code_;
};
/// Queues the work and returns its promise.
Napi::Value run_async(Napi::Env env, std::function<void()> work, PromiseWork::Finish finish,
                      std::vector<Napi::Value> keep, std::function<void()> always = {});

void register_system(Napi::Env env, Napi::Object exports);
void register_layers(Napi::Env env, Napi::Object exports);
void register_layer_replica(Napi::Env env, Napi::Object exports);
void register_model(Napi::Env env, Napi::Object exports);
void register_predictor(Napi::Env env, Napi::Object exports);
void register_train(Napi::Env env, Napi::Object exports);

}  // namespace timernn::binding
