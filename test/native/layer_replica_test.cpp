// A layer alone against its cell, and where a rank runs.
#include "layers/layer_replica.h"

#include <algorithm>

#include "cells/products.h"
#include "core/placement.h"
#include "gemm/packed.h"
#include "helpers.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace timernn::test {
namespace {

struct Arrays {
  std::vector<std::vector<float>> params, grads;
  std::vector<float> xs, dhs, state, dxs;
  std::vector<const float*> params_at;
  std::vector<float*> grads_at;

  Arrays(const Cell& cell, const CellDims& d) {
    Random random(3);
    for (const TensorInfo& info : cell.tensors(d.D, d.H)) {
      params.push_back(random.floats(info.length(), 0.5));
      grads.emplace_back(info.length(), NAN);
    }
    xs = random.floats(d.T * d.n * d.D, 1.0);
    dhs = random.floats(d.T * d.n * d.H, 1.0);
    state = random.floats(cell.states * d.n * d.H, 0.5);
    dxs.assign(d.T * d.n * d.D, NAN);
    for (auto& p : params) params_at.push_back(p.data());
    for (auto& g : grads) grads_at.push_back(g.data());
  }
};

TEST("layer replica: two windows are what the cell gives, and the caller's gradient is left alone") {
  const CellDims d{5, 3, 7, 9};
  for (const std::string& name : cell_names()) {
    const Cell& cell = *find_cell(name);
    Arrays a(cell, d), b(cell, d);
    LayerReplica replica(cell, d);
    Buffer packed;
    if (gemm_path() == GemmPath::packed) {
      packed = Buffer(replica.weights().floats());
      for (std::size_t part = 0; part < 3; ++part) {
        replica.weights().pack(packed.data(), a.params_at.data(), part, 3);
      }
    }
    std::vector<const float*> forms;
    if (packed.size() > 0) forms = replica.weights().forms(packed.data());
    const float* const* at = forms.empty() ? nullptr : forms.data();
    for (int window = 0; window < 2; ++window) {
      replica.window({a.dxs.data(), a.grads_at.data(), a.state.data(), a.xs.data(), a.dhs.data(),
                      a.params_at.data(), packed.data()});
      std::vector<float> hs((d.T + 1) * d.n * d.H), ws(cell.ws_floats(d));
      std::vector<float> scratch(std::max(cell.scratch_floats(d), weight_product_floats(cell, d)));
      std::vector<float> dstate(cell.states * d.n * d.H), dhs = b.dhs;
      cell.forward(
          {hs.data(), b.state.data(), b.xs.data(), b.params_at.data(), at, ws.data(), scratch.data(), d});
      const CellBackward back{b.dxs.data(),
                              dstate.data(),
                              b.grads_at.data(),
                              dhs.data(),
                              hs.data(),
                              b.xs.data(),
                              b.params_at.data(),
                              at,
                              ws.data(),
                              scratch.data(),
                              d};
      cell.backward(back);
      weight_gradients(cell, back, scratch.data());
      CHECK(same_bits(a.state, b.state) && same_bits(a.dxs, b.dxs) && same_bits(a.dhs, b.dhs));
      for (std::size_t i = 0; i < a.grads.size(); ++i) CHECK(same_bits(a.grads[i], b.grads[i]));
    }
  }
}

#if defined(__linux__)
TEST("placement: a rank leaves a crowded core for one of those it may use, and stays free to move") {
  cpu_set_t before, after;
  CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  std::vector<std::int32_t> cores(Placement::kMostRanks);
  cores[0] = sched_getcpu() + 1;
  Placement placement(cores.data());
  placement.settle(1, 2);
  CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  CHECK(CPU_EQUAL(&before, &after));
  CHECK_GT(cores[1], 0);
  CHECK(CPU_ISSET(cores[1] - 1, &before));
  // With a single core there is nowhere to go.
  if (CPU_COUNT(&before) > 1) CHECK(cores[1] != cores[0]);
  // Beyond what the words hold, and alone, it does nothing.
  const std::vector<std::int32_t> keep = cores;
  placement.settle(0, 1);
  placement.settle(64, 65);
  placement.settle(5, 2);
  CHECK(cores == keep);
}
#endif

}  // namespace
}  // namespace timernn::test
