// The oneDNN side of the benchmark: forward and backward of one tanh RNN or LSTM layer with oneDNN's RNN
// primitives.
//
//   usage: onednn_rnn rnn|lstm N T D H       the commands on stdin are those of ours.mjs, one JSON value a
//   line
//
// Weights change at every training step, so they lie in plain row-major form and are brought into the form
// that the primitives ask for within the time that counts; the speed without that is reported by tune, but
// not compared. The gradients of the weights are cleared first: the primitives accumulate.
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#if DNNL_VERSION_MAJOR != 2
#error "written for oneDNN 2; its third version names these descriptors anew"
#endif

using namespace dnnl;
using Dims = memory::dims;
using Tag = memory::format_tag;

namespace {

struct Shape {
  bool lstm;
  memory::dim N, T, D, H, G;
};

memory::desc plain(const Dims& dims, Tag tag) {
  return {dims, memory::data_type::f32, tag};
}

memory random_memory(const memory::desc& desc, const engine& e, float bound) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-bound, bound);
  memory m(desc, e);
  auto* data = static_cast<float*>(m.get_data_handle());
  for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) data[i] = uniform(generator);
  return m;
}

/// Descriptors of one layer in one direction; weights in the form that the library likes best.
struct Descs {
  explicit Descs(const Shape& s)
      : xs(plain({s.T, s.N, s.D}, Tag::tnc)),
        hs(plain({s.T, s.N, s.H}, Tag::tnc)),
        state(plain({1, 1, s.N, s.H}, Tag::ldnc)),
        bias(plain({1, 1, s.G, s.H}, Tag::ldgo)),
        Wx(plain({1, 1, s.D, s.G, s.H}, Tag::any)),
        Wh(plain({1, 1, s.H, s.G, s.H}, Tag::any)) {}
  memory::desc xs, hs, state, bias, Wx, Wh, none;
};

class Layer {
 public:
  explicit Layer(const Shape& s) : shape_(s), engine_(engine::kind::cpu, 0), stream_(engine_) {
    s.lstm ? create_lstm() : create_rnn();
    allocate();
  }

  /// One forward and backward; returns the tokens. With `repack` the weights come in plain form, as after an
  /// update.
  std::size_t step(bool repack) {
    if (repack) {
      reorder_plain(DNNL_ARG_WEIGHTS_LAYER, "Wx");
      reorder_plain(DNNL_ARG_WEIGHTS_ITER, "Wh");
    }
    forward_.execute(stream_, forward_args_);
    for (int arg : {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
      memory& m = backward_args_.at(arg);
      std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
    }
    backward_.execute(stream_, backward_args_);
    stream_.wait();
    return static_cast<std::size_t>(shape_.N * shape_.T);
  }

 private:
  void create_rnn() {
    const Descs d(shape_);
    const auto kind = algorithm::eltwise_tanh;
    const auto way = rnn_direction::unidirectional_left2right;
    const vanilla_rnn_forward::primitive_desc f(
        {prop_kind::forward_training, kind, way, d.xs, d.state, d.Wx, d.Wh, d.bias, d.hs, d.none}, engine_);
    const vanilla_rnn_backward::primitive_desc b(
        {prop_kind::backward, kind, way, d.xs, d.state, d.Wx, d.Wh, d.bias, d.hs, d.none, d.xs, d.state, d.Wx,
         d.Wh, d.bias, d.hs, d.none},
        engine_, f);
    forward_ = vanilla_rnn_forward(f);
    backward_ = vanilla_rnn_backward(b);
    keep(f, b);
  }

  void create_lstm() {
    const Descs d(shape_);
    const auto way = rnn_direction::unidirectional_left2right;
    const lstm_forward::primitive_desc f(
        {prop_kind::forward_training, way, d.xs, d.state, d.state, d.Wx, d.Wh, d.bias, d.hs, d.none, d.none},
        engine_);
    const lstm_backward::primitive_desc b({prop_kind::backward,
                                           way,
                                           d.xs,
                                           d.state,
                                           d.state,
                                           d.Wx,
                                           d.Wh,
                                           d.bias,
                                           d.hs,
                                           d.none,
                                           d.none,
                                           d.xs,
                                           d.state,
                                           d.state,
                                           d.Wx,
                                           d.Wh,
                                           d.bias,
                                           d.hs,
                                           d.none,
                                           d.none},
                                          engine_, f);
    forward_ = lstm_forward(f);
    backward_ = lstm_backward(b);
    keep(f, b);
  }

  template <class Forward, class Backward>
  void keep(const Forward& f, const Backward& b) {
    workspace_ = f.workspace_desc();
    forward_weights_ = {f.weights_layer_desc(), f.weights_iter_desc()};
    backward_weights_ = {b.weights_layer_desc(), b.weights_iter_desc()};
    weight_grads_ = {b.diff_weights_layer_desc(), b.diff_weights_iter_desc()};
  }

  void allocate() {
    const Descs d(shape_);
    const float bound = 1.0f / std::sqrt(static_cast<float>(shape_.H));
    plain_["Wx"] = random_memory(plain({1, 1, shape_.D, shape_.G, shape_.H}, Tag::ldigo), engine_, bound);
    plain_["Wh"] = random_memory(plain({1, 1, shape_.H, shape_.G, shape_.H}, Tag::ldigo), engine_, bound);
    auto& f = forward_args_;
    f[DNNL_ARG_SRC_LAYER] = random_memory(d.xs, engine_, 0.5f);
    f[DNNL_ARG_SRC_ITER] = random_memory(d.state, engine_, 0.0f);
    f[DNNL_ARG_BIAS] = random_memory(d.bias, engine_, 0.0f);
    f[DNNL_ARG_DST_LAYER] = memory(d.hs, engine_);
    f[DNNL_ARG_WORKSPACE] = memory(workspace_, engine_);
    if (shape_.lstm) f[DNNL_ARG_SRC_ITER_C] = random_memory(d.state, engine_, 0.0f);
    backward_args_ = f;
    auto& b = backward_args_;
    f[DNNL_ARG_WEIGHTS_LAYER] = memory(forward_weights_[0], engine_);
    f[DNNL_ARG_WEIGHTS_ITER] = memory(forward_weights_[1], engine_);
    b[DNNL_ARG_WEIGHTS_LAYER] = memory(backward_weights_[0], engine_);
    b[DNNL_ARG_WEIGHTS_ITER] = memory(backward_weights_[1], engine_);
    b[DNNL_ARG_DIFF_DST_LAYER] = random_memory(d.hs, engine_, 0.01f);
    b[DNNL_ARG_DIFF_SRC_LAYER] = memory(d.xs, engine_);
    b[DNNL_ARG_DIFF_SRC_ITER] = memory(d.state, engine_);
    if (shape_.lstm) b[DNNL_ARG_DIFF_SRC_ITER_C] = memory(d.state, engine_);
    b[DNNL_ARG_DIFF_WEIGHTS_LAYER] = memory(weight_grads_[0], engine_);
    b[DNNL_ARG_DIFF_WEIGHTS_ITER] = memory(weight_grads_[1], engine_);
    b[DNNL_ARG_DIFF_BIAS] = memory(d.bias, engine_);
    step(true);
  }

  void reorder_plain(int arg, const char* name) {
    for (auto* args : {&forward_args_, &backward_args_}) {
      memory& from = plain_.at(name);
      memory& to = args->at(arg);
      reorder(from, to).execute(stream_, from, to);
    }
  }

  Shape shape_;
  engine engine_;
  stream stream_;
  primitive forward_, backward_;
  memory::desc workspace_;
  std::vector<memory::desc> forward_weights_, backward_weights_, weight_grads_;
  std::unordered_map<std::string, memory> plain_;
  std::unordered_map<int, memory> forward_args_, backward_args_;
};

struct Measured {
  std::size_t tokens = 0;
  double seconds = 0.0;
};

Measured run_for(Layer& layer, double seconds, bool repack) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  Measured m;
  while (m.seconds < seconds) {
    m.tokens += layer.step(repack);
    m.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return m;
}

/// The number after "seconds": in a command. Commands come from the benchmark, so nothing else is understood.
double seconds_of(const std::string& line) {
  const auto at = line.find("\"seconds\":");
  return at == std::string::npos ? 1.0 : std::strtod(line.c_str() + at + 10, nullptr);
}

void answer(Layer& layer, const std::string& line) {
  const double seconds = seconds_of(line);
  const Measured m = run_for(layer, seconds, true);
  if (line.find("\"tune\"") != std::string::npos) {
    const Measured kept = run_for(layer, seconds, false);
    std::cout
        << "{\"chosen\":\"weights brought into its form each step\",\"tried\":{\"weights in its form already"
        << " (not compared)\":" << static_cast<long>(static_cast<double>(kept.tokens) / kept.seconds) << "}}"
        << std::endl;
    return;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << "{\"tokens\":" << m.tokens << ",\"seconds\":" << m.seconds
            << ",\"peakRss\":" << usage.ru_maxrss * 1024L << "}" << std::endl;
}

int run(char** argv) {
  const bool lstm = std::strcmp(argv[1], "lstm") == 0;
  const auto dim = [&](int i) { return static_cast<memory::dim>(std::atol(argv[i])); };
  Layer layer({lstm, dim(2), dim(3), dim(4), dim(5), lstm ? 4 : 1});
  const dnnl_version_t* v = dnnl_version();
  std::cout << "{\"ready\":true,\"version\":\"" << v->major << "." << v->minor << "." << v->patch << "\"}"
            << std::endl;
  for (std::string line; std::getline(std::cin, line) && line.find("\"quit\"") == std::string::npos;) {
    answer(layer, line);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "Error: expected rnn|lstm N T D H" << std::endl;
    return 2;
  }
  try {
    return run(argv);
  } catch (const std::exception& e) {
    std::cerr << "Error: " << e.what() << std::endl;
    return 1;
  }
}
