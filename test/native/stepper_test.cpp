// Generation and scoring: against the replica, against the double model, and the promises of the sampler.
#include "model/stepper.h"

#include <algorithm>
#include <cstdio>

#include "helpers.h"
#include "model/replica.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

using Tokens = std::vector<std::uint32_t>;

SampleOptions sampling(double temperature, std::size_t top_k, std::uint64_t seed) {
  SampleOptions options;
  options.temperature = temperature;
  options.top_k = top_k;
  options.seed = seed;
  return options;
}

struct Setup {
  Model model;
  Random random{3};
  std::vector<float> params;

  explicit Setup(const std::string& cell = "rnn")
      : model(make_spec(cell, 23, 6, {9, 7})), params(random.floats(model.length, 0.9)) {}
  Stepper stepper() const { return Stepper(model.spec, model.offsets); }
  Tokens generate(const Tokens& prompt, std::size_t count, const SampleOptions& options) const {
    return stepper().generate(params.data(), prompt, count, options);
  }
};

std::size_t argmax(const std::vector<double>& z) {
  return static_cast<std::size_t>(std::max_element(z.begin(), z.end()) - z.begin());
}

TEST("score is the replica's forward loss of the same tokens") {
  for (const std::string& cell : cell_names()) {
    Setup s(cell);
    const Tokens tokens = s.random.tokens(40, 23);
    std::vector<float> state(state_floats(s.model.spec, 1));
    Replica replica(s.model.spec, s.model.offsets, 1, 39, false);
    const std::uint32_t start = 0;
    const double loss =
        replica.forward_window(state.data(), s.params.data(), {tokens.data(), 40, &start, 0, 1, 39});
    CHECK_NEAR(-s.stepper().score(s.params.data(), tokens), loss, 1e-6 * loss);
  }
}

TEST("score carries the state: a text in two pieces that share a token scores as a whole") {
  Setup s;
  const Tokens tokens = s.random.tokens(30, 23);
  Stepper whole = s.stepper(), pieces = s.stepper();
  const double all = whole.score(s.params.data(), tokens);
  // The last token of a piece is not fed, so it is the first of the next.
  const double first = pieces.score(s.params.data(), Tokens(tokens.begin(), tokens.begin() + 12));
  const double second = pieces.score(s.params.data(), Tokens(tokens.begin() + 11, tokens.end()));
  CHECK_NEAR(first + second, all, 1e-6 * std::fabs(all));
  CHECK_EQ(s.stepper().score(s.params.data(), {3}), 0.0);
  CHECK_EQ(s.stepper().score(s.params.data(), {}), 0.0);
}

TEST("temperature 0 takes the argmax of the double model, token after token; top_k = 1 the same") {
  for (const std::string& cell : cell_names()) {
    Setup s(cell);
    const std::vector<double> params = to_double(s.params);
    SampleOptions greedy = sampling(0.0, 0, 0);
    Tokens text = {1, 2, 3};
    const Tokens out = s.generate(text, 25, greedy);
    CHECK_EQ(out.size(), std::size_t{25});
    for (std::uint32_t token : out) {
      CHECK_EQ(std::size_t{token}, argmax(reference_logits(s.model.spec, s.model.offsets, params, text)));
      text.push_back(token);
    }
    CHECK(s.generate({1, 2, 3}, 25, sampling(1.0, 1, 9)) == out);
  }
}

TEST("the same seed gives the same tokens, another one others; position joins calls") {
  Setup s;
  const SampleOptions options = sampling(1.3, 0, 42);
  const Tokens once = s.generate({5}, 60, options);
  CHECK(s.generate({5}, 60, options) == once);
  CHECK(s.generate({5}, 60, sampling(1.3, 0, 43)) != once);
  Stepper pieces = s.stepper();
  SampleOptions part = options;
  Tokens joined = pieces.generate(s.params.data(), {5}, 25, part);
  part.position = 25;
  for (std::uint32_t token : pieces.generate(s.params.data(), {}, 35, part)) joined.push_back(token);
  CHECK(joined == once);
}

TEST("top_k never leaves the k most likely; a k of the whole vocabulary or more changes nothing") {
  Setup s;
  const std::vector<double> params = to_double(s.params);
  Tokens text = {4};
  for (std::uint32_t token : s.generate(text, 40, sampling(2.0, 3, 1))) {
    const std::vector<double> z = reference_logits(s.model.spec, s.model.offsets, params, text);
    const auto above = std::count_if(z.begin(), z.end(), [&](double v) { return v > z[token] + 1e-5; });
    CHECK_LT(above, 3);
    text.push_back(token);
  }
  const SampleOptions all = sampling(1.0, 0, 2);
  for (std::size_t k : {23, 24, 1000}) {
    CHECK(s.generate({4}, 40, sampling(1.0, k, 2)) == s.generate({4}, 40, all));
  }
}

TEST("excluded tokens never come, at any temperature; tokens outside the vocabulary are no matter") {
  Setup s;
  const Tokens exclude = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 23, 4000000000u};
  for (double temperature : {0.0, 1.0, 50.0}) {
    for (std::size_t top_k : {0, 2, 20}) {
      SampleOptions options = sampling(temperature, top_k, 3);
      options.exclude = exclude;
      for (std::uint32_t token : s.generate({0}, 200, options)) CHECK(token > 10 && token < 23);
    }
  }
}

// With output.W = 0 the distribution is softmax(b / temperature), whatever came before.
TEST("samples follow the distribution: chi-squared over 20,000") {
  Setup s;
  const std::size_t W = s.model.offsets.size() - 2;
  std::fill_n(s.params.begin() + static_cast<std::ptrdiff_t>(s.model.offsets[W]), s.model.table[W].length(),
              0.0f);
  for (double temperature : {0.7, 1.0, 3.0}) {
    constexpr std::size_t n = 20000;
    std::vector<double> p(23), counts(23);
    double total = 0.0, chi = 0.0;
    for (std::size_t v = 0; v < 23; ++v) {
      p[v] = std::exp(static_cast<double>(s.params[s.model.offsets[W + 1] + v]) / temperature);
      total += p[v];
    }
    for (std::uint32_t token : s.generate({0}, n, sampling(temperature, 0, 8))) ++counts[token];
    for (std::size_t v = 0; v < 23; ++v) {
      const double wanted = p[v] / total * n;
      chi += (counts[v] - wanted) * (counts[v] - wanted) / wanted;
    }
    CHECK_LT(chi, 48.3);  // 22 degrees of freedom, p = 0.001; the seed is fixed
  }
}

TEST("refused: no token before sampling, tokens outside the vocabulary; the stepper stays usable") {
  Setup s;
  Stepper stepper = s.stepper();
  const float* params = s.params.data();
  const SampleOptions greedy = sampling(0.0, 0, 0);
  CHECK_CODE(stepper.generate(params, {}, 1, greedy), "ERR_TIMERNN_STATE");
  CHECK_CODE(stepper.generate(params, {23}, 1, greedy), "ERR_TIMERNN_TOKEN");
  CHECK_CODE(stepper.generate(params, {0xffffffffu}, 1, greedy), "ERR_TIMERNN_TOKEN");
  CHECK_CODE(stepper.score(params, {23, 1}), "ERR_TIMERNN_TOKEN");
  CHECK_CODE(stepper.score(params, {1, 23}), "ERR_TIMERNN_TOKEN");
  CHECK_CODE(stepper.generate(params, {}, 1, greedy), "ERR_TIMERNN_STATE");
  CHECK(stepper.generate(params, {1, 2, 3}, 10, greedy) == s.generate({1, 2, 3}, 10, greedy));
  CHECK(s.generate({1}, 0, greedy).empty());
}

TEST("weights so large that scores overflow are refused, and excluded tokens stay out up to there") {
  Setup s;
  const std::vector<float> huge(s.model.length, 3e38f);
  for (double temperature : {0.0, 1.0}) {
    CHECK_CODE(s.stepper().generate(huge.data(), {1}, 1, sampling(temperature, 0, 0)),
               "ERR_TIMERNN_NOT_FINITE");
  }
  CHECK_CODE(s.stepper().score(huge.data(), {1, 2}), "ERR_TIMERNN_NOT_FINITE");
  // Finite scores, all below what "never" used to be; only the biases of the head speak.
  std::vector<float> low(s.model.length, 0.0f);
  const std::size_t bias = s.model.offsets.back();
  for (std::size_t v = 0; v < 23; ++v) low[bias + v] = v == 7 ? -2e30f : -3e30f;
  SampleOptions options = sampling(1.0, 0, 5);
  options.exclude = {0, 1, 2};
  CHECK(s.stepper().generate(low.data(), {1}, 5, options) == Tokens(5, 7));
  // Each score is finite, their difference is not.
  for (std::size_t v = 0; v < 23; ++v) low[bias + v] = v == 7 ? 3e38f : -3e38f;
  CHECK_CODE(s.stepper().score(low.data(), {1, 2}), "ERR_TIMERNN_NOT_FINITE");
}

}  // namespace
}  // namespace timernn::test
