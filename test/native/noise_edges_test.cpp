// The edges of windows with noise on: the temporal penalty has no pair across one, and a window's gradient
// depends on earlier windows through the carried state alone.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "helpers.h"
#include "noise.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

constexpr std::size_t kRows = 3, kVocabulary = 11;

/// A replica of two layers with noise, on streams of two windows and more.
struct Noisy {
  Model model;
  Regularization regularization;
  std::size_t T;
  std::vector<std::uint32_t> tokens, starts;
  std::vector<float> params, state, grads;
  Replica replica;

  Noisy(const std::string& cell, bool tied, const Regularization& r, std::size_t window, std::uint64_t seed)
      : model(spec_of(cell, tied)),
        regularization(r),
        T(window),
        grads(model.length, NAN),
        replica(model.spec, model.offsets, kRows, T, true, {}, r) {
    Random random(seed);
    params = random.floats(model.length, 0.6);
    state = random.floats(state_floats(model.spec, kRows), 0.8);
    tokens = random.tokens(kRows * (2 * T + 1), kVocabulary);
    for (std::size_t row = 0; row < kRows; ++row)
      starts.push_back(static_cast<std::uint32_t>(row * (2 * T + 1)));
  }
  static ModelSpec spec_of(const std::string& cell, bool tied) {
    ModelSpec spec = make_spec(cell, kVocabulary, 4, {7, 5});
    if (tied) spec.tie();
    return spec;
  }
  /// Masks are drawn for a window's number in the run, which need not be its place in the stream.
  WindowInput input(std::size_t window) const {
    return {tokens.data(),
            tokens.size(),
            starts.data(),
            window * T,
            kRows,
            T,
            static_cast<std::uint32_t>(window + 5)};
  }
  double scale() const { return 1.0 / static_cast<double>(kRows * T); }
  double train(std::size_t window) {
    return replica.train_window(grads.data(), state.data(), params.data(), input(window),
                                static_cast<float>(scale()));
  }
  /// Where the last layer's h starts in a state.
  std::size_t last_h() const { return find_cell(model.spec.layers[0].cell->name)->states * kRows * 7; }
};

/// The mean loss of the second window in double, behind the state that the first one left.
struct Second {
  const Noisy& noisy;
  std::vector<double> params = to_double(noisy.params), carried = to_double(noisy.state);

  double operator()() const {
    std::vector<double> end = carried;
    double penalty = 0.0;
    const double loss = reference_model(noisy.model.spec, noisy.model.offsets, params, end, noisy.input(1),
                                        &noisy.regularization, &penalty);
    return loss * noisy.scale() + penalty;
  }
  /// What the pair of the first window's last output and this one's first would add.
  double across() const {
    std::vector<double> end = carried;
    WindowInput in = noisy.input(1);
    in.steps = 1;
    reference_model(noisy.model.spec, noisy.model.offsets, params, end, in, &noisy.regularization);
    double sum = 0.0;
    for (std::size_t i = noisy.last_h(); i < noisy.last_h() + kRows * 5; ++i)
      sum += (end[i] - carried[i]) * (end[i] - carried[i]);
    const std::size_t pairs = kRows * std::max<std::size_t>(1, noisy.T - 1);
    return noisy.regularization.temporal * sum / static_cast<double>(5 * pairs);
  }
};

double largest(const std::vector<double>& x) {
  double most = 0.0;
  for (const double value : x) most = std::max(most, std::fabs(value));
  return most;
}

void check_edge(const std::string& cell, bool locked, std::size_t T, std::uint64_t seed) {
  Regularization r = everything(locked);
  r.temporal = 20.0;
  Noisy noisy(cell, false, r, T, seed);
  noisy.train(0);
  Second second{noisy};
  noisy.train(1);
  double seen = 0.0;
  for (std::size_t i = 0; i < noisy.model.table.size(); ++i) {
    const std::size_t length = noisy.model.table[i].length(), first = noisy.model.offsets[i];
    std::vector<double> wanted(length), pair(length);
    for (std::size_t e = 0; e < length; ++e) {
      wanted[e] = central_difference(second.params, first + e, second);
      pair[e] = central_difference(second.params, first + e, [&] { return second.across(); });
    }
    // As for the other gradients with noise (regularization_test.cpp).
    const double error = relative_error(&noisy.grads[first], wanted.data(), length);
    if (!CHECK_LE(error, 4e-5)) std::fprintf(stderr, "  in %s\n", noisy.model.table[i].name.c_str());
    seen = std::max(seen, largest(pair) / largest(wanted));
  }
  // The pair would show: in some tensor it is many hundred tolerances.
  CHECK_GT(seen, 2e-2);
}

TEST("temporal penalty: it has no pair across a window's edge, where the state is carried") {
  for (const std::string& cell : cell_names()) {
    for (std::uint64_t seed = 0; seed < std::min<std::uint64_t>(3, seeds()); ++seed) {
      for (const std::size_t T : {1, 2, 4}) check_edge(cell, seed % 2 == 1, T, seed);
    }
  }
}

TEST("temporal penalty: none in a window of one step, to the bit") {
  for (const std::string& cell : cell_names()) {
    Regularization r = everything(true);
    Noisy with(cell, true, r, 1, 2);
    r.temporal = 0.0;
    Noisy without(cell, true, r, 1, 2);
    for (const std::size_t window : {0, 1}) {
      CHECK_EQ(with.train(window), without.train(window));
      for (std::size_t i = 0; i < with.model.table.size(); ++i) {
        const std::size_t first = with.model.offsets[i], end = first + with.model.table[i].length();
        for (std::size_t e = first; e < end; ++e) CHECK_EQ(with.grads[e], without.grads[e]);
      }
    }
  }
}

// Gradients, masks and factors of words of the window before still lie in the workspace.
TEST("truncation with noise: the gradient depends on earlier windows through the carried state alone") {
  for (const std::string& cell : cell_names()) {
    for (const bool tied : {false, true}) {
      for (const bool locked : {false, true}) {
        const auto make = [&] { return Noisy(cell, tied, everything(locked), 4, 5); };
        Noisy a = make(), b = make(), fresh = make();
        const std::vector<float> carried = a.state;
        for (const std::uint32_t start : b.starts)
          b.tokens[start + 1] = (b.tokens[start + 1] + 1) % kVocabulary;
        CHECK_NE(a.train(0), b.train(0));
        CHECK(!same_bits(a.grads, b.grads));
        CHECK(!same_bits(a.state, b.state));
        a.state = b.state = carried;
        const double loss = fresh.train(1);
        CHECK_EQ(a.train(1), loss);
        CHECK_EQ(b.train(1), loss);
        CHECK(same_bits(a.state, fresh.state) && same_bits(b.state, fresh.state));
        for (std::size_t i = 0; i < a.model.table.size(); ++i) {
          const std::size_t first = a.model.offsets[i], bytes = a.model.table[i].length() * sizeof(float);
          CHECK(std::memcmp(&a.grads[first], &fresh.grads[first], bytes) == 0);
          CHECK(std::memcmp(&b.grads[first], &fresh.grads[first], bytes) == 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace timernn::test
