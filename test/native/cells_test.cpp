// The contract suite: every cell of the registry against its double reference, forward and backward.
#include <algorithm>
#include <cstdio>

#include "cells/cell.h"
#include "cells/packed_weights.h"
#include "cells/products.h"
#include "gemm/packed.h"
#include "helpers.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

// Errors are relative to a tensor's largest entry. A float sum of the ~200 terms here is good to about 1e-6,
// and five steps back in time multiply that by a small factor. A swapped or missing term shows at 1e-2 and
// more.
constexpr double kTolerance = 2e-5;

/// One window through a float cell, with exactly the memory that it asks for, so that ASan sees a step beyond
/// it.
struct Window {
  const Cell& cell;
  CellDims d;
  std::vector<std::vector<float>> params, grads;
  std::vector<float> xs, dhs, state, dstate, hs, dxs, ws, scratch;
  std::vector<const float*> at;
  std::vector<float*> grads_at;
  Buffer packed;  ///< empty where products go through BLAS
  std::vector<const float*> forms;

  Window(const Cell& c, CellDims dims, std::uint64_t seed) : cell(c), d(dims) {
    Random random(seed);
    for (const TensorInfo& info : cell.tensors(d.D, d.H)) {
      params.push_back(random.floats(info.length(), 0.7));
      grads.emplace_back(info.length(), NAN);  // overwritten, so what stood there must not matter
    }
    xs = random.floats(d.T * d.n * d.D, 1.0);
    dhs = random.floats(d.T * d.n * d.H, 1.0);
    state = random.floats(cell.states * d.n * d.H, 0.9);
    dstate = random.floats(cell.states * d.n * d.H, 1.0);
    hs.assign((d.T + 1) * d.n * d.H, NAN);
    dxs.assign(d.T * d.n * d.D, NAN);
    ws.assign(cell.ws_floats(d), NAN);
    scratch.assign(std::max(cell.scratch_floats(d), weight_product_floats(cell, d)), NAN);
  }
  /// Packs in two shares, as two workers would.
  void pack() {
    if (gemm_path() != GemmPath::packed) return;
    const PackedLayer layer({cell, d.D, d.H, true});
    packed = Buffer(layer.floats());
    for (std::size_t part = 0; part < 2; ++part) layer.pack(packed.data(), at.data(), part, 2);
    forms = layer.forms(packed.data());
  }
  const float* const* packed_forms() const { return forms.empty() ? nullptr : forms.data(); }
  void forward() {
    at.clear();
    for (const auto& p : params) at.push_back(p.data());
    pack();
    cell.forward(
        {hs.data(), state.data(), xs.data(), at.data(), packed_forms(), ws.data(), scratch.data(), d});
  }
  void backward(bool inputs = true) {
    grads_at.clear();
    for (auto& g : grads) grads_at.push_back(g.data());
    const CellBackward b{inputs ? dxs.data() : nullptr,
                         dstate.data(),
                         grads_at.data(),
                         dhs.data(),
                         hs.data(),
                         xs.data(),
                         at.data(),
                         packed_forms(),
                         ws.data(),
                         scratch.data(),
                         d};
    cell.backward(b);
    weight_gradients(cell, b, scratch.data());
  }
  std::vector<float> outputs() const {
    return {hs.begin() + static_cast<std::ptrdiff_t>(d.n * d.H), hs.end()};
  }
};

/// The same window in double, and the loss Σ dhs·hs + Σ dstate·state' whose gradient the cell must return.
struct Reference {
  const Cell& cell;
  CellDims d;
  std::vector<std::vector<double>> params;
  std::vector<double> xs, dhs, state, dstate, hs, end;

  explicit Reference(const Window& w)
      : cell(w.cell),
        d(w.d),
        xs(to_double(w.xs)),
        dhs(to_double(w.dhs)),
        state(to_double(w.state)),
        dstate(to_double(w.dstate)),
        hs(w.d.T * w.d.n * w.d.H) {
    for (const auto& p : w.params) params.push_back(to_double(p));
  }
  double loss() {
    std::vector<const double*> at;
    for (const auto& p : params) at.push_back(p.data());
    end = state;
    reference_layer(cell, {hs.data(), end.data(), xs.data(), at.data(), d});
    double total = 0.0;
    for (std::size_t i = 0; i < hs.size(); ++i) total += dhs[i] * hs[i];
    for (std::size_t i = 0; i < end.size(); ++i) total += dstate[i] * end[i];
    return total;
  }
};

void check_window(const Cell& cell, const CellDims& d, std::uint64_t seed, double& worst) {
  Window w(cell, d, seed);
  Reference reference(w);
  const auto keep = [&worst](double error) {
    CHECK_LE(error, kTolerance);
    worst = std::max(worst, error);
  };
  const std::vector<float> carried = w.state;
  reference.loss();
  w.forward();
  keep(relative_error(w.outputs(), reference.hs));
  keep(relative_error(w.state, reference.end));
  CHECK(std::equal(carried.begin(), carried.begin() + static_cast<std::ptrdiff_t>(d.n * d.H), w.hs.begin()));
  w.backward();
  const auto loss = [&reference] { return reference.loss(); };
  for (std::size_t p = 0; p < w.params.size(); ++p) {
    keep(relative_error(w.grads[p], central_differences(reference.params[p], loss)));
  }
  keep(relative_error(w.dxs, central_differences(reference.xs, loss)));
  keep(relative_error(w.dstate, central_differences(reference.state, loss)));
}

template <typename F>
void for_each_cell(F&& f) {
  CHECK_GT(cell_names().size(), std::size_t{0});
  for (const std::string& name : cell_names()) {
    const Cell* cell = find_cell(name);
    if (CHECK(cell != nullptr) && CHECK(find_reference(name) != nullptr)) f(*cell);
  }
}

TEST("every cell: forward and all gradients against central differences of its double reference") {
  for_each_cell([](const Cell& cell) {
    double worst = 0.0;
    for (std::size_t T : {1, 2, 5}) {
      for (std::size_t n : {1, 3}) {
        for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
          const bool wide = seed % 2 == 0;
          check_window(cell,
                       {T, n, wide ? std::size_t{7} : std::size_t{4}, wide ? std::size_t{5} : std::size_t{9}},
                       seed, worst);
        }
      }
    }
    std::printf("     %s: largest relative error %.2e\n", cell.name, worst);
  });
}

TEST("every cell: a window of so many rows that the input's weights are packed for its gradient") {
  for_each_cell([](const Cell& cell) {
    double worst = 0.0;
    check_window(cell, {22, 3, 17, 6}, 1, worst);
    check_window(cell, {16, 4, 4, 19}, 2, worst);
  });
}

TEST("every cell: sizes around the vector lengths against the reference") {
  for_each_cell([](const Cell& cell) {
    for (std::size_t H : {1, 3, 4, 8, 15, 16, 17, 33}) {
      for (std::size_t n : {1, 2, 5}) {
        Window w(cell, {3, n, H == 8 ? std::size_t{9} : std::size_t{6}, H}, H);
        Reference reference(w);
        reference.loss();
        w.forward();
        CHECK_LE(relative_error(w.outputs(), reference.hs), kTolerance);
      }
    }
  });
}

TEST(
    "every cell: tensor shapes are pairwise different from their transposes where D != H, and names are "
    "unique") {
  for_each_cell([](const Cell& cell) {
    const auto table = cell.tensors(7, 5);
    for (std::size_t i = 0; i < table.size(); ++i) {
      CHECK_GT(table[i].length(), std::size_t{0});
      for (std::size_t j = 0; j < i; ++j) CHECK_NE(table[i].name, table[j].name);
    }
    CHECK_EQ(table[0].shape[0], std::size_t{7});
  });
  CHECK(find_cell("no such cell") == nullptr);
}

TEST("every cell: backward without input gradients gives the same bits elsewhere") {
  for_each_cell([](const Cell& cell) {
    Window with(cell, {4, 3, 6, 5}, 1), without(cell, {4, 3, 6, 5}, 1);
    with.forward();
    without.forward();
    with.backward();
    without.backward(false);
    for (std::size_t p = 0; p < with.grads.size(); ++p) CHECK(same_bits(with.grads[p], without.grads[p]));
    CHECK(same_bits(with.dstate, without.dstate));
  });
}

// Windows [0, T) and [T, 2T) of a long one.
struct Halves {
  Window whole, first, second;
  Halves(const Cell& cell, std::size_t T, std::uint64_t seed)
      : whole(cell, {2 * T, 3, 6, 5}, seed),
        first(cell, {T, 3, 6, 5}, seed),
        second(cell, {T, 3, 6, 5}, seed) {
    const auto cut = [](std::vector<float>& a, std::vector<float>& b, const std::vector<float>& both) {
      a.assign(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(both.size() / 2));
      b.assign(both.begin() + static_cast<std::ptrdiff_t>(both.size() / 2), both.end());
    };
    cut(first.xs, second.xs, whole.xs);
    cut(first.dhs, second.dhs, whole.dhs);
    first.state = whole.state;
    first.params = second.params = whole.params;
    second.dstate = whole.dstate;
  }
  void forward() {
    whole.forward();
    first.forward();
    second.state = first.state;
    second.forward();
  }
};

TEST("every cell: two windows with carried state are one long window") {
  for_each_cell([](const Cell& cell) {
    for (std::size_t T : {1, 4}) {
      Halves h(cell, T, 3);
      h.forward();
      std::vector<float> outputs = h.first.outputs();
      const std::vector<float> rest = h.second.outputs();
      outputs.insert(outputs.end(), rest.begin(), rest.end());
      // BLAS may add the terms of a product of another height in another order, so the last bit may differ.
      CHECK_LE(relative_error(outputs, to_double(h.whole.outputs())), 1e-6);
      CHECK_LE(relative_error(h.second.state, to_double(h.whole.state)), 1e-6);
    }
  });
}

TEST("every cell: gradients passed through dstate join two windows to one") {
  for_each_cell([](const Cell& cell) {
    Halves h(cell, 3, 4);
    h.forward();
    h.whole.backward();
    h.second.backward();
    h.first.dstate = h.second.dstate;
    h.first.backward();
    for (std::size_t p = 0; p < h.whole.grads.size(); ++p) {
      std::vector<double> sum = to_double(h.first.grads[p]);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(h.second.grads[p][i]);
      CHECK_LE(relative_error(h.whole.grads[p], sum), kTolerance);
    }
    CHECK_LE(relative_error(h.first.dstate, to_double(h.whole.dstate)), kTolerance);
  });
}

TEST("every cell: truncation, a zero dstate stops the gradient exactly at the edge") {
  for_each_cell([](const Cell& cell) {
    Halves h(cell, 3, 5);
    h.forward();
    h.second.backward();
    CHECK(relative_error(h.second.dstate, std::vector<double>(h.second.dstate.size())) > 0.0);
    // All loss is in the second window; its dstate is dropped, as at a window's edge.
    std::fill(h.first.dhs.begin(), h.first.dhs.end(), 0.0f);
    std::fill(h.first.dstate.begin(), h.first.dstate.end(), 0.0f);
    h.first.backward();
    const auto zero = [](float x) { return x == 0.0f; };
    for (const auto& g : h.first.grads) CHECK(std::all_of(g.begin(), g.end(), zero));
    CHECK(std::all_of(h.first.dxs.begin(), h.first.dxs.end(), zero));
    CHECK(std::all_of(h.first.dstate.begin(), h.first.dstate.end(), zero));
  });
}

}  // namespace
}  // namespace timernn::test
