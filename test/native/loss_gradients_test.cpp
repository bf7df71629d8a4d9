// Gradients of both losses against central differences of the loss itself in double, and not of a formula of
// the gradient: see head_test.cpp for that, and for sizes.
#include <algorithm>
#include <cstdio>

#include "head.h"
#include "helpers.h"
#include "losses/softmax_cross_entropy.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

// As for the formula: a row's probabilities and three products of a few dozen terms, each good to about 1e-6.
constexpr double kTolerance = 1e-5;

/// scale · Σ −log softmax(h·W + b)[target], as plain as that.
struct HeadLoss {
  HeadDims d;
  double scale;
  std::vector<std::uint32_t> targets;
  std::vector<double> hs, W, b;

  double operator()() const {
    double sum = 0.0;
    for (std::size_t r = 0; r < d.M; ++r) {
      std::vector<double> z = b;
      for (std::size_t v = 0; v < d.V; ++v) {
        for (std::size_t h = 0; h < d.H; ++h)
          z[v] += hs[r * d.H + h] * (d.tied ? W[v * d.H + h] : W[h * d.V + v]);
      }
      sum += reference_loss(z.data(), d.V, targets[r]);
    }
    return scale * sum;
  }
};

double check_head(const HeadDims& d, std::uint64_t seed) {
  Random random(seed);
  const std::vector<float> hs = random.floats(d.M * d.H, 1.0), W = random.floats(d.H * d.V, 1.5);
  const std::vector<float> b = random.floats(d.V, 1.0);
  constexpr float kScale = 0.375f;
  HeadLoss loss{
      d, static_cast<double>(kScale), random.tokens(d.M, d.V), to_double(hs), to_double(W), to_double(b)};
  std::vector<float> dhs(hs.size(), NAN), dW(W.size(), NAN), db(b.size(), NAN);
  Head head(d, true);
  const double sum = head.forward_backward({hs.data(), W.data(), b.data(), loss.targets.data(), d.M},
                                           {dhs.data(), dW.data(), db.data(), kScale});
  CHECK_NEAR(sum * loss.scale, loss(), 1e-6 * loss() + 1e-7);
  const double errors[] = {relative_error(dhs, central_differences(loss.hs, loss)),
                           relative_error(dW, central_differences(loss.W, loss)),
                           relative_error(db, central_differences(loss.b, loss))};
  for (const double error : errors) CHECK_LE(error, kTolerance);
  return *std::max_element(std::begin(errors), std::end(errors));
}

TEST(
    "head: every gradient against central differences of the loss, tied weights and not, one row and three") {
  double worst = 0.0;
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    for (const bool tied : {false, true}) {
      for (const std::size_t M : {1, 3}) {
        for (const auto& [H, V] : {std::pair<std::size_t, std::size_t>{5, 11}, {6, 2}, {1, 7}, {18, 37}}) {
          worst = std::max(worst, check_head({M, H, V, tied}, seed));
        }
      }
    }
  }
  std::printf("     largest relative error %.2e\n", worst);
}

/// dout · the mean over the rows that count.
struct LayerLoss {
  LossDims d;
  double dout;
  std::int32_t ignore;
  std::vector<std::int32_t> labels;
  std::vector<double> logits;

  double operator()() const {
    double sum = 0.0, counted = 0.0;
    for (std::size_t r = 0; r < d.M; ++r) {
      if (labels[r] == ignore) continue;
      sum += reference_loss(&logits[r * d.V], d.V, static_cast<std::size_t>(labels[r]));
      counted += 1.0;
    }
    return counted == 0.0 ? 0.0 : dout * sum / counted;
  }
};

// Row r is ignored where bit r of `ignored` is set; no other label is `ignore`, which may be a class.
void check_layer(const LossDims& d, std::int32_t ignore, unsigned ignored, std::uint64_t seed) {
  Random random(seed);
  const std::vector<float> logits = random.floats(d.M * d.V, 3.0);
  constexpr float kDout = 1.75f;
  LayerLoss loss{d, static_cast<double>(kDout), ignore, {}, to_double(logits)};
  for (std::size_t r = 0; r < d.M; ++r) {
    std::int32_t label = static_cast<std::int32_t>(random.below(d.V));
    if (label == ignore) label = (label + 1) % static_cast<std::int32_t>(d.V);
    loss.labels.push_back((ignored >> r & 1u) != 0 ? ignore : label);
  }
  std::vector<float> probs(logits.size(), NAN), dlogits(logits.size(), NAN);
  const double mean = softmax_loss_forward(probs.data(), logits.data(), loss.labels.data(), ignore, d);
  CHECK_NEAR(mean * loss.dout, loss(), 1e-6 * loss() + 1e-7);
  softmax_loss_backward(dlogits.data(), probs.data(), loss.labels.data(), ignore, kDout, d);
  CHECK_LE(relative_error(dlogits, central_differences(loss.logits, loss)), kTolerance);
}

TEST("layer loss: the gradient against central differences of the loss, with every choice of ignored rows") {
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    for (const std::int32_t ignore : {-1, 2}) {
      for (const std::size_t M : {1, 3}) {
        for (unsigned ignored = 0; ignored < 1u << M; ++ignored) {
          for (const std::size_t V : {7, 33}) check_layer({M, V}, ignore, ignored, seed);
        }
      }
    }
  }
}

}  // namespace
}  // namespace timernn::test
