// Inference: against the double model, rows of a batch against the same alone, threads against one, and what
// the low precisions may cost.
#include "infer/engine.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "helpers.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

using Tokens = std::vector<std::uint32_t>;

struct Setup {
  Model model;
  Random random{5};
  std::vector<float> params;

  explicit Setup(const std::string& cell, std::size_t V = 1031, std::size_t D = 19,
                 std::initializer_list<std::size_t> sizes = {37, 70}, bool tied = false)
      : model([&] {
          ModelSpec spec = make_spec(cell, V, D, sizes);
          if (tied) spec.tie();
          return spec;
        }()),
        params(random.floats(model.length, 0.4)) {}
  std::shared_ptr<const PredictorWeights> weights(Precision precision) const {
    return std::make_shared<PredictorWeights>(model.spec, model.offsets, params.data(), precision);
  }
  Engine engine(Precision precision, std::size_t rows = 8, std::size_t threads = 1) const {
    return Engine(weights(precision), rows, threads);
  }
  std::size_t V() const { return model.spec.vocabulary; }
  std::vector<float> fresh() const { return std::vector<float>(state_floats(model.spec, 1)); }
};

const std::vector<Precision> kPrecisions = {Precision::float32, Precision::bfloat16, Precision::int8};

SessionRequest reading(std::vector<float>& state, const Tokens& tokens, Ask ask) {
  SessionRequest r{};
  r.state = state.data();
  r.tokens = tokens.data();
  r.count = tokens.size();
  r.ask = ask;
  r.excluded = kNoToken;
  r.temperature = 1.0;
  r.finite = true;
  return r;
}

std::vector<float> probabilities(Engine& engine, const Setup& s, std::vector<float>& state,
                                 const Tokens& tokens) {
  std::vector<float> out(s.V());
  SessionRequest r = reading(state, tokens, Ask::probabilities);
  r.probabilities = out.data();
  engine.run(&r, 1);
  CHECK(r.finite);
  return out;
}

std::vector<double> softmax(std::vector<double> z) {
  const double top = *std::max_element(z.begin(), z.end());
  double sum = 0.0;
  for (double& x : z) sum += x = std::exp(x - top);
  for (double& x : z) x /= sum;
  return z;
}

// The quantised weights are off by half a step of up to 0.4 / 127 each, at random; over some hundred terms
// that makes scores differ by about 0.02. bfloat16 has 8 bits, so steps of 0.4 / 256 at the most.
TEST("probabilities are the double model's, in every precision as near as it can be") {
  for (const std::string& cell : cell_names()) {
    for (bool tied : {false, true}) {
      Setup s(cell, 1031, 19, {37, 70}, tied);
      const Tokens tokens = s.random.tokens(9, s.V());
      const std::vector<double> wanted =
          softmax(reference_logits(s.model.spec, s.model.offsets, to_double(s.params), tokens));
      for (Precision precision : kPrecisions) {
        Engine engine = s.engine(precision);
        std::vector<float> state = s.fresh();
        const std::vector<float> got = probabilities(engine, s, state, tokens);
        const double tolerance = precision == Precision::float32 ? 2e-5 : 0.1;
        CHECK_LT(relative_error(got, wanted), tolerance);
        CHECK_NEAR(std::accumulate(got.begin(), got.end(), 0.0), 1.0, 1e-5);
      }
    }
  }
}

// What each request of a mixed batch gives, one after the other.
struct Answers {
  std::vector<std::vector<float>> states, probabilities;
  std::vector<Tokens> ids;
  std::vector<std::vector<double>> scores;
  bool operator==(const Answers&) const = default;
};

Answers mixed(const Setup& s, Precision precision, std::size_t at_once, std::size_t threads) {
  Engine engine(s.weights(precision), at_once, threads);
  Random random(9);
  constexpr std::size_t kRequests = 11;
  Answers a;
  std::vector<Tokens> tokens;
  std::vector<SessionRequest> requests;
  for (std::size_t i = 0; i < kRequests; ++i) {
    tokens.push_back(random.tokens(i % 4, s.V()));
    a.states.push_back(s.fresh());
    for (float& x : a.states[i]) x = static_cast<float>(random.uniform(-0.9, 0.9));
    a.probabilities.emplace_back(s.V());
    a.ids.emplace_back(s.V());
    a.scores.emplace_back(4);
  }
  for (std::size_t i = 0; i < kRequests; ++i) {
    SessionRequest r = reading(a.states[i], tokens[i], static_cast<Ask>(i % 5));
    r.probabilities = a.probabilities[i].data();
    r.ids = a.ids[i].data();
    r.scores = a.scores[i].data();
    r.k = r.ask == Ask::top ? 5 : i % 2 == 0 ? 0 : 7;
    r.length = r.ask == Ask::sample ? 6 : 0;
    r.temperature = i % 3 == 0 ? 0.0 : 0.8;
    r.seed = i;
    r.excluded = 3;
    r.peek = i % 2 == 0;
    requests.push_back(r);
  }
  for (std::size_t i = 0; i < kRequests; i += at_once) {
    engine.run(&requests[i], std::min(at_once, kRequests - i));
  }
  for (const SessionRequest& r : requests) CHECK(r.finite);
  return a;
}

TEST("a request has the same bits alone, in batches of any size, and on any number of threads") {
  for (const std::string& cell : cell_names()) {
    for (Precision precision : kPrecisions) {
      Setup s(cell);
      const Answers alone = mixed(s, precision, 1, 1);
      for (std::size_t at_once : {2, 3, 5, 11}) CHECK(mixed(s, precision, at_once, 1) == alone);
      CHECK(mixed(s, precision, 1, 2) == alone);
      CHECK(mixed(s, precision, 11, 3) == alone);
    }
  }
}

TEST(
    "score is the logarithm of the probability, before the token is read; peeking leaves the last one "
    "unread") {
  Setup s("lstm");
  Engine engine = s.engine(Precision::float32);
  const Tokens tokens = {5, 1, 1030, 7};
  std::vector<float> state = s.fresh(), other = s.fresh(), peeked = s.fresh();
  std::vector<double> scores(4), again(4);
  SessionRequest r = reading(state, tokens, Ask::score);
  r.scores = scores.data();
  engine.run(&r, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<float> p = probabilities(engine, s, other, i == 0 ? Tokens{} : Tokens{tokens[i - 1]});
    CHECK_NEAR(scores[i], std::log(static_cast<double>(p[tokens[i]])), 1e-5);
  }
  SessionRequest peek = reading(peeked, tokens, Ask::score);
  peek.scores = again.data();
  peek.peek = true;
  engine.run(&peek, 1);
  CHECK(again == scores);
  CHECK(same_bits(peeked, other));  // both have read all but the last
  CHECK(!same_bits(state, other));
}

TEST("the top k are the largest probabilities, in order, ties by number; k may be the whole vocabulary") {
  Setup s("rnn", 300);
  // Every second output unit the same as the one before: ties everywhere.
  float* W = s.params.data() + s.model.offsets[s.model.offsets.size() - 2];
  float* b = s.params.data() + s.model.offsets.back();
  for (std::size_t v = 1; v < 300; v += 2) {
    for (std::size_t h = 0; h < 70; ++h) W[h * 300 + v] = W[h * 300 + v - 1];
    b[v] = b[v - 1];
  }
  for (Precision precision : kPrecisions) {
    for (std::size_t threads : {1, 2}) {
      Engine engine = s.engine(precision, 2, threads);
      std::vector<float> state = s.fresh(), other = s.fresh();
      const std::vector<float> all = probabilities(engine, s, state, {4, 2});
      for (std::size_t k : {1, 7, 299, 300}) {
        Tokens ids(k);
        std::vector<float> p(k);
        std::vector<float> fresh = s.fresh();
        const Tokens tokens = {4, 2};
        SessionRequest r = reading(fresh, tokens, Ask::top);
        r.k = k;
        r.ids = ids.data();
        r.probabilities = p.data();
        engine.run(&r, 1);
        Tokens order(300);
        std::iota(order.begin(), order.end(), 0u);
        std::stable_sort(order.begin(), order.end(), [&](auto x, auto y) { return all[x] > all[y]; });
        order.resize(k);
        CHECK(ids == order);
        for (std::size_t i = 0; i < k; ++i)
          CHECK_NEAR(static_cast<double>(p[i]), static_cast<double>(all[ids[i]]), 1e-6);
      }
    }
  }
}

// With output.W = 0 the distribution is softmax(b / temperature), whatever came before.
TEST("draws follow the distribution, among all tokens and among the best: chi-squared over 20,000") {
  Setup s("rnn", 23, 6, {9, 7});
  const std::size_t W = s.model.offsets.size() - 2;
  std::fill_n(s.params.begin() + static_cast<std::ptrdiff_t>(s.model.offsets[W]), s.model.table[W].length(),
              0.0f);
  const float* b = s.params.data() + s.model.offsets[W + 1];
  Tokens order(23);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](auto x, auto y) { return b[x] > b[y]; });
  for (std::size_t k : {0, 6}) {
    for (double temperature : {0.3, 1.0, 3.0}) {
      constexpr std::size_t n = 20000;
      std::vector<double> p(23), counts(23);
      double total = 0.0, chi = 0.0;
      std::size_t cells = 0;
      for (std::size_t i = 0; i < (k == 0 ? 23 : k); ++i) {
        if (order[i] == 2 && k == 0) continue;  // excluded
        total += p[order[i]] = std::exp(static_cast<double>(b[order[i]]) / temperature);
        ++cells;
      }
      Engine engine = s.engine(Precision::float32);
      std::vector<float> state = s.fresh();
      Tokens ids(n);
      SessionRequest r = reading(state, {}, Ask::sample);
      r.k = k;
      r.length = n;
      r.temperature = temperature;
      r.seed = 8;
      r.ids = ids.data();
      if (k == 0) r.excluded = 2;
      engine.run(&r, 1);
      for (std::uint32_t token : ids) ++counts[token];
      for (std::size_t v = 0; v < 23; ++v) {
        if (p[v] == 0.0) {
          CHECK_EQ(counts[v], 0.0);
          continue;
        }
        const double wanted = p[v] / total * n;
        chi += (counts[v] - wanted) * (counts[v] - wanted) / wanted;
      }
      CHECK_LT(chi, cells == 6 ? 20.5 : 46.8);  // 5 or 21 degrees of freedom, p = 0.001; the seed is fixed
    }
  }
}

TEST("draws in two requests are those of one, by their position") {
  Setup s("gru");
  for (std::size_t k : {0, 4}) {
    Engine engine = s.engine(Precision::int8);
    std::vector<float> once = s.fresh(), twice = s.fresh();
    Tokens all(20), part(20);
    const Tokens prompt = {1, 2};
    const auto draw = [&](std::vector<float>& state, const Tokens& tokens, std::uint32_t* ids,
                          std::size_t from, std::size_t count) {
      SessionRequest r = reading(state, tokens, Ask::sample);
      r.k = k;
      r.length = count;
      r.seed = 4;
      r.position = from;
      r.ids = ids;
      engine.run(&r, 1);
    };
    draw(once, prompt, all.data(), 0, 20);
    draw(twice, prompt, part.data(), 0, 7);
    draw(twice, {}, part.data() + 7, 7, 13);
    CHECK(all == part);
    CHECK(same_bits(once, twice));
  }
}

TEST("a row whose scores are not finite says so, and the others are as without it") {
  for (Precision precision : kPrecisions) {
    Setup s("rnn-relu");
    Engine engine = s.engine(precision);
    std::vector<float> good = s.fresh(), bad = s.fresh(), alone = s.fresh();
    for (float value : {3e38f, INFINITY, NAN}) {
      std::fill(bad.begin(), bad.end(), value);
      std::fill(good.begin(), good.end(), 0.5f);
      alone = good;
      const Tokens tokens = {3};
      std::vector<float> p(s.V()), q(s.V()), wanted = probabilities(engine, s, alone, tokens);
      SessionRequest requests[] = {reading(bad, tokens, Ask::probabilities),
                                   reading(good, tokens, Ask::probabilities)};
      requests[0].probabilities = p.data();
      requests[1].probabilities = q.data();
      engine.run(requests, 2);
      CHECK(!requests[0].finite);
      CHECK(requests[1].finite);
      CHECK(same_bits(q, wanted));
    }
  }
}

// What int8 and bfloat16 keep of the weights: half a step of the column's scale, 2⁻⁹ of the weight.
TEST("packed products: of the rounded weights exactly, for odd sizes and transposed weights") {
  Random random(2);
  for (bool transposed : {false, true}) {
    for (std::size_t k : {1, 2, 3, 5, 64, 67, 1030}) {
      for (std::size_t n : {1, 15, 33, 64, 97}) {
        const std::vector<float> W = random.floats(k * n, 1.0), A = random.floats(3 * k, 1.0);
        const std::vector<float> bias = random.floats(n, 1.0);
        for (Precision precision : kPrecisions) {
          const Linear linear({W.data(), k, n, transposed ? k : n, transposed}, precision);
          std::vector<float> C(3 * n), shared(linear.shared_floats(3)), scratch(linear.scratch_floats(3));
          linear.multiply(
              {C.data(), n, A.data(), k, 3, bias.data(), false, false, shared.data(), scratch.data()},
              Share{});
          std::vector<double> wanted(3 * n);
          double most = 0.0;
          for (std::size_t r = 0; r < 3; ++r) {
            for (std::size_t c = 0; c < n; ++c) {
              double sum = static_cast<double>(bias[c]);
              for (std::size_t i = 0; i < k; ++i) {
                sum += static_cast<double>(A[r * k + i]) *
                       static_cast<double>(transposed ? W[c * k + i] : W[i * n + c]);
              }
              most = std::max(most, std::fabs(static_cast<double>(C[r * n + c]) - sum));
            }
          }
          // Each term is off by at most the step's half: 1/254 of 1, or 2⁻⁹.
          const double step = precision == Precision::float32 ? 1e-6
                              : precision == Precision::int8  ? 1.0 / 250
                                                              : 1.0 / 500;
          CHECK_LT(most, step * static_cast<double>(k) + 1e-6);
        }
      }
    }
  }
}

// Every product is ±32,767 · 127, the largest there is, in as many rows as fit and in a few.
TEST("int8: the largest sums of all are exact") {
  for (std::size_t k : {1023, 1024, 1025, 4100, 65536}) {
    constexpr std::size_t n = 3, rows = 3;
    std::vector<float> W(k * n, 0.25f), A(rows * k, 2.0f);
    for (std::size_t i = 0; i < k; ++i) {
      W[i * n + 1] = -0.25f;
      A[k + i] = -2.0f;
      A[2 * k + i] = i % 2 == 0 ? 2.0f : -2.0f;
    }
    const Linear linear({W.data(), k, n, n, false}, Precision::int8);
    for (std::size_t m : {std::size_t{1}, rows}) {
      std::vector<float> C(m * n), shared(linear.shared_floats(m));
      linear.multiply({C.data(), n, A.data(), k, m, nullptr, false, false, shared.data(), nullptr}, Share{});
      const float sum = 0.5f * static_cast<float>(k), rest = k % 2 == 0 ? 0.0f : 0.5f;
      for (std::size_t r = 0; r < m; ++r) {
        const float wanted = r == 0 ? sum : r == 1 ? -sum : rest;
        for (std::size_t c = 0; c < n; ++c) {
          CHECK_LT(std::fabs(C[r * n + c] - (c == 1 ? -wanted : wanted)), 1e-6f * sum);
        }
      }
    }
  }
}

}  // namespace
}  // namespace timernn::test
