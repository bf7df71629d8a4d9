// Argument checks and the promise worker; see args.h.
#include "args.h"

#include <algorithm>
#include <cmath>

namespace timernn::binding {

void fail(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, code));
  throw error;
}

namespace {
template <typename T>
Span<T> array(const Napi::Value& value, const char* name, std::size_t expected, napi_typedarray_type type,
              const char* type_name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE", std::string("Expected ") + name + " to be a " + type_name);
  }
  const auto view = value.As<Napi::TypedArrayOf<T>>();
  const std::size_t length = view.ElementLength();
  if (expected != kAnyLength && length != expected) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to have " + std::to_string(expected) + " elements, got " +
             std::to_string(length));
  }
  return {const_cast<T*>(view.Data()), length};
}
}  // namespace

Span<float> floats(const Napi::Value& v, const char* name, std::size_t expected) {
  return array<float>(v, name, expected, napi_float32_array, "Float32Array");
}
Span<double> doubles(const Napi::Value& v, const char* name, std::size_t expected) {
  return array<double>(v, name, expected, napi_float64_array, "Float64Array");
}
Span<std::int32_t> ints(const Napi::Value& v, const char* name, std::size_t expected) {
  return array<std::int32_t>(v, name, expected, napi_int32_array, "Int32Array");
}
Span<std::uint32_t> uints(const Napi::Value& v, const char* name, std::size_t expected) {
  return array<std::uint32_t>(v, name, expected, napi_uint32_array, "Uint32Array");
}
Span<std::uint8_t> bytes(const Napi::Value& v, const char* name, std::size_t expected) {
  return array<std::uint8_t>(v, name, expected, napi_uint8_array, "Uint8Array");
}

double number(const Napi::Value& value, const char* name) {
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) {
    fail(value.Env(), "ERR_TIMERNN_OPTION", std::string("Expected ") + name + " to be a finite number");
  }
  return value.As<Napi::Number>().DoubleValue();
}

std::size_t size(const Napi::Value& value, const char* name, std::size_t min) {
  const double x = number(value, name);
  // Products of a few such sizes must still fit 64 bits, and each must fit BLAS's int.
  if (x != std::floor(x) || x < static_cast<double>(min) || x > 2147483647.0) {
    fail(value.Env(), "ERR_TIMERNN_OPTION",
         std::string("Expected ") + name + " to be an integer of at least " + std::to_string(min) + ", got " +
             std::to_string(x));
  }
  return static_cast<std::size_t>(x);
}

double rate(const Napi::Value& value, const char* name) {
  const double out = number(value, name);
  if (!(out >= 0.0 && out < 1.0)) {
    fail(value.Env(), "ERR_TIMERNN_OPTION",
         std::string("Expected ") + name + " to be at least 0 and below 1, got " + std::to_string(out));
  }
  return out;
}

std::uint64_t seed(const Napi::Value& value, const char* name) {
  bool lossless = false;
  if (!value.IsBigInt())
    fail(value.Env(), "ERR_TIMERNN_OPTION", std::string("Expected ") + name + " to be a bigint");
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString())
    fail(value.Env(), "ERR_TIMERNN_OPTION", std::string("Expected ") + name + " to be a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject())
    fail(value.Env(), "ERR_TIMERNN_SPEC", std::string("Expected ") + name + " to be an object");
  return value.As<Napi::Object>();
}

const Cell& cell(const Napi::Value& value) {
  const std::string name = text(value, "cell");
  const Cell* found = find_cell(name);
  if (found == nullptr) fail(value.Env(), "ERR_TIMERNN_SPEC", "Expected a known cell, got \"" + name + "\"");
  return *found;
}

Napi::Array tensor_list(Napi::Env env, const std::vector<TensorInfo>& table) {
  Napi::Array out = Napi::Array::New(env, table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    Napi::Object tensor = Napi::Object::New(env);
    Napi::Array shape = Napi::Array::New(env, table[i].shape.size());
    for (std::size_t k = 0; k < table[i].shape.size(); ++k) {
      shape.Set(static_cast<std::uint32_t>(k),
                Napi::Number::New(env, static_cast<double>(table[i].shape[k])));
    }
    tensor.Set("name", table[i].name);
    tensor.Set("shape", shape);
    out.Set(static_cast<std::uint32_t>(i), tensor);
  }
  return out;
}

ModelSpec spec(const Napi::Value& value) {
  const Napi::Object o = object(value, "spec");
  const Napi::Object input = object(o.Get("input"), "spec.input");
  ModelSpec out;
  out.vocabulary = size(input.Get("vocabulary"), "spec.input.vocabulary", 1);
  out.embedding = size(input.Get("embedding"), "spec.input.embedding", 1);
  const Napi::Value layers = o.Get("layers");
  if (!layers.IsArray() || layers.As<Napi::Array>().Length() == 0) {
    fail(value.Env(), "ERR_TIMERNN_SPEC", "Expected spec.layers to be an array of at least one layer");
  }
  const auto list = layers.As<Napi::Array>();
  // Getters may change the arrays while they are read: lengths are read once, and each element once.
  const std::uint32_t count = list.Length();
  for (std::uint32_t i = 0; i < count; ++i) {
    const Napi::Object layer = object(list.Get(i), "spec.layers[]");
    out.layers.push_back({&cell(layer.Get("cell")), size(layer.Get("size"), "spec.layers[].size", 1)});
  }
  if (o.Get("tied").ToBoolean().Value()) out.tie();
  return out;
}

std::vector<std::size_t> offsets(const Napi::Value& value, const ModelSpec& model) {
  const std::size_t tensors = tensor_table(model).size();
  if (!value.IsArray() || value.As<Napi::Array>().Length() != tensors) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected " + std::to_string(tensors) + " tensor offsets");
  }
  const auto list = value.As<Napi::Array>();
  std::vector<std::size_t> out;
  for (std::uint32_t i = 0; i < tensors; ++i) {
    const double x = number(list.Get(i), "offset");
    if (x != std::floor(x) || x < 0.0 || x > 9007199254740991.0) {
      fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected tensor offsets to be non-negative integers");
    }
    out.push_back(static_cast<std::size_t>(x));
  }
  return out;
}

std::size_t arena_floats(const std::vector<std::size_t>& at, const ModelSpec& model) {
  const auto table = tensor_table(model);
  std::size_t end = 0;
  for (std::size_t i = 0; i < table.size(); ++i) end = std::max(end, at[i] + table[i].length());
  return end;
}

CellDims window_dims(const Napi::Value& value) {
  if (!value.IsObject()) fail(value.Env(), "ERR_TIMERNN_SHAPE", "Expected dims to be an object");
  const Napi::Object o = value.As<Napi::Object>();
  const CellDims d{size(o.Get("T"), "T", 1), size(o.Get("N"), "N", 1), size(o.Get("D"), "D", 1),
                   size(o.Get("H"), "H", 1)};
  // BLAS counts rows with an int.
  if (d.n * d.T > 0x3fffffff) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         "Expected N times T to be below 2^30, got " + std::to_string(d.n * d.T));
  }
  return d;
}

// An array of Float32Arrays, one for each tensor of the cell, in table order.
std::vector<float*> tensors(const Napi::Value& value, const char* name,
                            const std::vector<TensorInfo>& table) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != table.size()) {
    fail(value.Env(), "ERR_TIMERNN_SHAPE",
         std::string("Expected ") + name + " to be an array of " + std::to_string(table.size()) + " arrays");
  }
  // All are read before any address is taken: reading one may run the caller's code.
  std::vector<Napi::Value> values;
  for (std::uint32_t i = 0; i < table.size(); ++i) values.push_back(value.As<Napi::Array>().Get(i));
  std::vector<float*> out;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::string each = std::string(name) + "." + table[i].name;
    out.push_back(floats(values[i], each.c_str(), table[i].length()).data);
  }
  return out;
}

PromiseWork::PromiseWork(Napi::Env env, std::function<void()> work, Finish finish,
                         std::vector<Napi::Value> keep, std::function<void()> always)
    : Napi::AsyncWorker(env, "timernn"),
      deferred_(env),
      work_(std::move(work)),
      always_(std::move(always)),
      finish_(std::move(finish)) {
  Napi::Array held = Napi::Array::New(env, keep.size());
  for (std::size_t i = 0; i < keep.size(); ++i) held.Set(static_cast<std::uint32_t>(i), keep[i]);
  keep_ = Napi::Persistent(held.As<Napi::Object>());
}

void PromiseWork::Execute() {
  try {
    work_();
  } catch (const Error& e) {
    code_ = e.code();
    SetError(e.what());
  } catch (const std::exception& e) {
    code_ = "ERR_TIMERNN_INTERNAL";
    SetError(e.what());
  }
}

void PromiseWork::OnOK() {
  if (always_) always_();
  deferred_.Resolve(finish_(Env()));
}

void PromiseWork::OnError(const Napi::Error& error) {
  if (always_) always_();
  error.Value().Set("code", Napi::String::New(Env(), code_));
  deferred_.Reject(error.Value());
}

Napi::Value run_async(Napi::Env env, std::function<void()> work, PromiseWork::Finish finish,
                      std::vector<Napi::Value> keep, std::function<void()> always) {
  auto* worker = new PromiseWork(env, std::move(work), std::move(finish), std::move(keep), std::move(always));
  const Napi::Promise promise = worker->promise();
  worker->Queue();  // deletes itself when it is done
  return promise;
}

}  // namespace timernn::binding
