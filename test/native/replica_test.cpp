// The replica against a double model: loss, every gradient, carried state, short windows, and refused input.
#include "model/replica.h"

#include <algorithm>
#include <cstdio>

#include "helpers.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

// As for the cells; the softmax adds an error of a few 1e-7.
constexpr double kTolerance = 2e-5;

struct Setup {
  Model model;
  Random random;
  std::size_t n, T;
  std::vector<std::uint32_t> tokens, starts;
  std::vector<float> params, grads, state;
  Replica replica;

  Setup(ModelSpec spec, std::size_t rows, std::size_t window, std::uint64_t seed)
      : model(std::move(spec)),
        random(seed),
        n(rows),
        T(window),
        params(random.floats(model.length, 0.6)),
        grads(model.length, 7.0f),
        state(random.floats(state_floats(model.spec, n), 0.8)),
        replica(model.spec, model.offsets, n, T, true) {
    const std::size_t each = 3 * T + 2;
    tokens = random.tokens(n * each + 1, model.spec.vocabulary);
    for (std::size_t r = 0; r < n; ++r) starts.push_back(static_cast<std::uint32_t>(r * each));
  }
  WindowInput input(std::size_t shift, std::size_t steps) const {
    return {tokens.data(), tokens.size(), starts.data(), shift, n, steps};
  }
  double train(const WindowInput& in) {
    return replica.train_window(grads.data(), state.data(), params.data(), in, scale(in));
  }
  static float scale(const WindowInput& in) { return 1.0f / static_cast<float>(in.rows * in.steps); }
};

double check_gradients(Setup& s, std::size_t steps) {
  std::vector<double> params = to_double(s.params), carried = to_double(s.state), end;
  const WindowInput in = s.input(1, steps);
  const auto total = [&] {
    end = carried;
    return reference_model(s.model.spec, s.model.offsets, params, end, in);
  };
  const double expected = total();
  CHECK_NEAR(s.train(in), expected, 1e-6 * expected);
  double worst = relative_error(s.state, end);
  CHECK_LE(worst, kTolerance);
  const double scale = 1.0 / static_cast<double>(in.rows * in.steps);
  for (std::size_t i = 0; i < s.model.table.size(); ++i) {
    const std::size_t length = s.model.table[i].length(), first = s.model.offsets[i];
    std::vector<double> wanted(length);
    for (std::size_t e = 0; e < length; ++e) wanted[e] = scale * central_difference(params, first + e, total);
    const double error = relative_error(&s.grads[first], wanted.data(), length);
    if (!CHECK_LE(error, kTolerance)) std::fprintf(stderr, "  in %s\n", s.model.table[i].name.c_str());
    worst = std::max(worst, error);
  }
  return worst;
}

TEST("loss and every gradient against central differences of the double model, one and two layers") {
  for (const std::string& cell : cell_names()) {
    double worst = 0.0;
    for (std::size_t T : {1, 2, 5}) {
      for (std::size_t n : {1, 3}) {
        for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
          Setup one(make_spec(cell, 11, 4, {6}), n, T, seed),
              two(make_spec(cell, 11, 4, {7, 5}), n, T, seed + 100);
          worst = std::max({worst, check_gradients(one, T), check_gradients(two, T)});
        }
      }
    }
    std::printf("     %s: largest relative error %.2e\n", cell.c_str(), worst);
  }
}

TEST("a short last window, in a replica built for a longer one") {
  for (std::size_t steps : {1, 3, 4}) {
    Setup s(make_spec("rnn", 9, 5, {6, 4}), 3, 5, steps);
    check_gradients(s, steps);
  }
}

TEST("a replica built for more rows gives the bits of one built for these") {
  Setup s(make_spec("rnn", 9, 5, {6}), 2, 4, 1);
  Replica wide(s.model.spec, s.model.offsets, 5, 7, true);
  std::vector<float> state = s.state, grads(s.grads);
  const WindowInput in = s.input(0, 4);
  const double loss = wide.train_window(grads.data(), state.data(), s.params.data(), in, Setup::scale(in));
  CHECK_EQ(s.train(in), loss);
  CHECK(same_bits(s.grads, grads));
  CHECK(same_bits(s.state, state));
}

void check_left(ModelSpec spec, std::size_t steps) {
  Setup s(std::move(spec), 3, 7, 1);
  const std::size_t floats = Replica::work_floats(s.model.spec, 3, 7);
  if (floats == 0) return;  // this CPU packs nothing
  Regularization noise;
  noise.input = noise.words = 0.3;
  noise.seed = 9;
  Replica whole(s.model.spec, s.model.offsets, 3, 7, true, {}, noise);
  Replica leaves(s.model.spec, s.model.offsets, 3, 7, true, {nullptr, true}, noise);
  const Replica helper(s.model.spec, s.model.offsets, 3, 7, true);
  std::vector<float> state = s.state, grads(s.grads);
  const WindowInput in = s.input(0, steps);
  const auto train = [&](Replica& replica, std::vector<float>& into, std::vector<float>& carried,
                         bool leave) {
    return replica.train_window(into.data(), carried.data(), s.params.data(), in, Setup::scale(in), nullptr,
                                leave);
  };
  CHECK_CODE(train(leaves, grads, state, true), "ERR_TIMERNN_STATE");
  Guarded work(floats, 0);
  leaves.work_in(work.data());
  CHECK_EQ(train(leaves, grads, state, true), train(whole, s.grads, s.state, false));
  CHECK(same_bits(s.state, state) && !same_bits(s.grads, grads));
  for (std::size_t part = helper.weight_parts(3 * steps); part-- > 0;) {
    helper.weight_part(grads.data(), work.data(), 3 * steps, part);
  }
  CHECK(same_bits(s.grads, grads) && work.intact());
}

TEST("what a replica leaves of the gradients, another makes of its work, from the last part to the first") {
  for (const std::string& cell : cell_names()) {
    for (const std::size_t steps : {3, 7}) {
      ModelSpec spec = make_spec(cell, 40, 5, {6, 9});
      check_left(spec, steps);
      spec.tie();
      check_left(spec, steps);
    }
  }
}

TEST("gradients overwrite what stood there, and gaps between tensors stay untouched") {
  Setup s(make_spec("rnn", 9, 5, {6}), 2, 4, 2);
  std::vector<float> carried = s.state;
  std::fill(s.grads.begin(), s.grads.end(), NAN);
  s.train(s.input(0, 4));
  const std::vector<float> first = s.grads;
  s.state = carried;
  std::fill(s.grads.begin(), s.grads.end(), 3.5f);
  s.train(s.input(0, 4));
  for (std::size_t i = 0; i < s.model.table.size(); ++i) {
    const std::size_t begin = s.model.offsets[i], length = s.model.table[i].length();
    CHECK(std::memcmp(&first[begin], &s.grads[begin], length * sizeof(float)) == 0);
    const std::size_t next = i + 1 < s.model.offsets.size() ? s.model.offsets[i + 1] : s.model.length;
    for (std::size_t gap = begin + length; gap < next; ++gap) CHECK_EQ(s.grads[gap], 3.5f);
  }
}

TEST("forward alone has the loss and the state of training, to the bit") {
  Setup s(make_spec("rnn", 9, 5, {6, 7}), 3, 4, 3);
  std::vector<float> state = s.state;
  Replica inference(s.model.spec, s.model.offsets, 3, 4, false);
  const double forward = inference.forward_window(state.data(), s.params.data(), s.input(2, 4));
  CHECK_EQ(forward, s.train(s.input(2, 4)));
  CHECK(same_bits(state, s.state));
  CHECK_CODE(inference.train_window(s.grads.data(), state.data(), s.params.data(), s.input(2, 4), 1.0f),
             "ERR_TIMERNN_STATE");
  CHECK_LT(inference.workspace_bytes(), s.replica.workspace_bytes());
}

TEST("two windows with carried state have the loss of one long window; without it they do not") {
  Setup s(make_spec("rnn", 9, 5, {6, 7}), 3, 8, 4);
  std::vector<float> carried = s.state, fresh = s.state;
  const float* params = s.params.data();
  const double first = s.replica.forward_window(carried.data(), params, s.input(0, 4));
  const double second = s.replica.forward_window(carried.data(), params, s.input(4, 4));
  const double reset = s.replica.forward_window(fresh.data(), params, s.input(4, 4));
  const double whole = s.replica.forward_window(s.state.data(), params, s.input(0, 8));
  CHECK_NEAR(first + second, whole, 1e-6 * whole);
  CHECK_LE(relative_error(carried, to_double(s.state)), 1e-6);
  CHECK_GT(std::fabs(reset - second), 1e-3);
}

TEST("truncation: the gradient depends on earlier windows through the carried state alone") {
  Setup a(make_spec("rnn", 9, 5, {6, 7}), 3, 4, 5), b(make_spec("rnn", 9, 5, {6, 7}), 3, 4, 5);
  const std::vector<float> carried = a.state;
  for (std::size_t r = 0; r < b.n; ++r) b.tokens[b.starts[r] + 1] = (b.tokens[b.starts[r] + 1] + 1) % 9;
  CHECK_NE(a.train(a.input(0, 4)), b.train(b.input(0, 4)));
  CHECK(!same_bits(a.grads, b.grads));
  a.state = b.state = carried;
  CHECK_EQ(a.train(a.input(4, 4)), b.train(b.input(4, 4)));
  CHECK(same_bits(a.grads, b.grads));
}

// On either path of the products, 66 rows of so large a vocabulary are more than a block.
TEST("a vocabulary so large that the head goes in several blocks") {
  Setup s(make_spec("rnn", 33000, 2, {3}), 6, 11, 6);
  const WindowInput in = s.input(0, 11);
  std::vector<double> params = to_double(s.params), carried = to_double(s.state), end;
  const auto total = [&] {
    end = carried;
    return reference_model(s.model.spec, s.model.offsets, params, end, in);
  };
  const double expected = total();
  CHECK_NEAR(s.train(in), expected, 1e-6 * expected);
  // A few entries of each tensor; those of the head are the targets', which are not near zero.
  for (std::size_t i = 0; i < s.model.table.size(); ++i) {
    for (std::size_t k = 0; k < 2; ++k) {
      const std::uint32_t token = s.tokens[s.starts[k * 5] + 10 + k];
      const std::size_t entry = i == 0 ? token * 2 + k : token % s.model.table[i].length();
      const std::size_t at = s.model.offsets[i] + entry;
      CHECK_NEAR(s.grads[at], central_difference(params, at, total) / 66.0, 1e-6);
    }
  }
}

TEST("refused tokens and windows leave state, gradients and replica as they were") {
  Setup s(make_spec("rnn", 9, 5, {6}), 3, 4, 7);
  const std::vector<float> state = s.state, grads = s.grads;
  const std::uint32_t good = s.tokens[s.starts[2] + 2];
  for (std::size_t position : {2, 4}) {  // read as input and target; as target alone
    for (std::uint32_t bad : {9u, 0xffffffffu}) {
      const std::uint32_t keep = s.tokens[s.starts[2] + position];
      s.tokens[s.starts[2] + position] = bad;
      CHECK_CODE(s.train(s.input(0, 4)), "ERR_TIMERNN_TOKEN");
      CHECK_CODE(s.replica.forward_window(s.state.data(), s.params.data(), s.input(0, 4)),
                 "ERR_TIMERNN_TOKEN");
      s.tokens[s.starts[2] + position] = keep;
    }
  }
  CHECK_EQ(s.tokens[s.starts[2] + 2], good);
  WindowInput beyond = s.input(0, 4);
  beyond.length = s.starts[2] + 4;  // the last target is missing
  CHECK_CODE(s.train(beyond), "ERR_TIMERNN_CORPUS");
  CHECK_CODE(s.train(s.input(1000, 4)), "ERR_TIMERNN_CORPUS");
  CHECK(same_bits(state, s.state));
  CHECK(same_bits(grads, s.grads));
  beyond.length = s.starts[2] + 5;
  const double loss = s.train(beyond);
  Setup fresh(make_spec("rnn", 9, 5, {6}), 3, 4, 7);
  CHECK_EQ(loss, fresh.train(fresh.input(0, 4)));
  CHECK(same_bits(fresh.grads, s.grads));
}

TEST("replica: with a list of touched rows the same gradient, window after window, and the list is right") {
  Setup dense(make_spec("rnn", 40, 5, {6}), 3, 4, 11), sparse(make_spec("rnn", 40, 5, {6}), 3, 4, 11);
  const std::size_t table = 40 * 5;
  std::vector<std::uint32_t> words(TouchedRows::capacity(12, 40));
  TouchedRows touched{words.data(), words.size()};
  std::fill(sparse.grads.begin(), sparse.grads.begin() + table, 0.0f);  // what the caller starts with
  for (std::size_t shift : {0, 4, 2}) {
    const WindowInput in = dense.input(shift, 4), other = sparse.input(shift, 4);
    dense.train(in);
    sparse.replica.train_window(sparse.grads.data(), sparse.state.data(), sparse.params.data(), other,
                                Setup::scale(other), &touched);
    CHECK(same_bits(dense.grads, sparse.grads));
    std::vector<std::uint32_t> listed(touched.begin(), touched.end()), wanted;
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t t = 0; t < 4; ++t) wanted.push_back(in.tokens[in.starts[r] + shift + t]);
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::sort(listed.begin(), listed.end());
    CHECK(listed == wanted);
  }
}

}  // namespace
}  // namespace timernn::test
