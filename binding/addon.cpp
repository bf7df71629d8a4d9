// Entry point of the addon. Loaded once in each thread that uses it; holds nothing between environments.
#include "args.h"
#include "gemm/gemm.h"

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  timernn::blas_single_thread();
  timernn::binding::register_system(env, exports);
  timernn::binding::register_layers(env, exports);
  timernn::binding::register_layer_replica(env, exports);
  timernn::binding::register_model(env, exports);
  timernn::binding::register_predictor(env, exports);
  timernn::binding::register_train(env, exports);
  return exports;
}
}  // namespace

NODE_API_MODULE(timernn, init)
