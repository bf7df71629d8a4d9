// The elementwise parts of the cells: every row and column as it is alone, to the bit; nothing beyond their
// arrays; and relu against its definition. What they compute is held against the double cells in
// cells_test.cpp.
#include <limits>

#include "helpers.h"
#include "isas.h"

namespace timernn::test {
namespace {

// Arrays of one step, between guards and off alignment.
struct Arrays {
  std::vector<Guarded> all;
  std::size_t rows, H;

  Arrays(std::size_t n, std::size_t h, std::initializer_list<std::size_t> widths, std::uint64_t seed)
      : rows(n), H(h) {
    Random random(seed);
    std::size_t shift = 0;
    for (std::size_t width : widths) {
      // Gates lie in (0, 1), as a backward finds them; a forward does not mind.
      std::vector<float> x = random.floats(width == 0 ? H : rows * width * H, 0.49);
      for (float& v : x) v += 0.5f;
      all.emplace_back(x, shift++ % 4);
    }
  }
  float* operator[](std::size_t i) { return all[i].data(); }
};

// Runs a kernel on all rows, and on each column of each row alone; both must give the same bits.
template <typename Run>
void check_alone(std::initializer_list<std::size_t> widths, Run&& run) {
  for (const Kernels* k : runnable_isas()) {
    for (std::size_t H : {1, 3, 4, 8, 15, 16, 17, 33}) {
      for (std::size_t n : {1, 3}) {
        Arrays whole(n, H, widths, H * 10 + n), before(n, H, widths, H * 10 + n);
        run(*k, whole, n, H);
        for (const Guarded& array : whole.all) CHECK(array.intact());
        for (std::size_t r = 0; r < n; ++r) {
          for (std::size_t j = 0; j < H; ++j) {
            Arrays one(1, 1, widths, 0);
            std::size_t a = 0;
            for (std::size_t width : widths) {
              const std::size_t count = width == 0 ? 1 : width, row = width == 0 ? 0 : r * width;
              for (std::size_t g = 0; g < count; ++g) one[a][g] = before[a][(row + g) * H + j];
              ++a;
            }
            run(*k, one, 1, 1);
            a = 0;
            for (std::size_t width : widths) {
              const std::size_t count = width == 0 ? 1 : width, row = width == 0 ? 0 : r * width;
              for (std::size_t g = 0; g < count; ++g) CHECK_EQ(one[a][g], whole[a][(row + g) * H + j]);
              ++a;
            }
          }
        }
      }
    }
  }
}

TEST("lstm_forward: gates, c, h, c before") {
  check_alone({4, 1, 1, 1}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.lstm_forward({a[0], a[1], a[2], a[3], n, H});
  });
}

TEST("lstm_backward: gates, dc, dh, dhs, c, c before") {
  check_alone({4, 1, 1, 1, 1, 1}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.lstm_backward({a[0], a[1], a[2], a[3], a[4], a[5], n, H});
  });
}

TEST("gru_forward: gates, product, h, h before, bn") {
  check_alone({3, 3, 1, 1, 0}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.gru_forward({a[0], a[1], a[2], a[3], a[4], n, H});
  });
}

TEST("gru_backward: gates, product, dh, dhs, h before") {
  check_alone({3, 3, 1, 1, 1}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.gru_backward({a[0], a[1], a[2], a[3], a[4], n, H});
  });
}

TEST("gru_reset, gru_output and back: gates, r·h, h or dh, h before, dhs") {
  check_alone({3, 1, 1, 1}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.gru_reset({a[0], a[1], a[2], a[3], nullptr, n, H});
    k.gru_output({a[0], a[1], a[2], a[3], nullptr, n, H});
  });
  check_alone({3, 1, 1, 1, 1}, [](const Kernels& k, Arrays& a, std::size_t n, std::size_t H) {
    k.gru_output_backward({a[0], a[1], a[2], a[4], a[3], n, H});
    k.gru_reset_backward({a[0], a[1], a[2], a[4], a[3], n, H});
  });
}

TEST("relu: max(x, 0) and its gradient; a NaN stays one") {
  for (const Kernels* k : runnable_isas()) {
    for (std::size_t n : odd_lengths()) {
      Random random(n);
      const std::vector<float> x = random.floats(n, 1.0), dh = random.floats(n, 1.0),
                               d = random.floats(n, 1.0);
      Guarded h(x, 1), dt(d, 3);
      k->relu_inplace(h.data(), n);
      k->relu_backward(dt.data(), dh.data(), h.data(), n);
      CHECK(h.intact() && dt.intact());
      for (std::size_t i = 0; i < n; ++i) {
        CHECK_EQ(h[i], x[i] > 0.0f ? x[i] : 0.0f);
        CHECK_EQ(dt[i], x[i] > 0.0f ? d[i] + dh[i] : 0.0f);
      }
    }
    float nan = std::numeric_limits<float>::quiet_NaN();
    k->relu_inplace(&nan, 1);
    CHECK(std::isnan(nan));
  }
}

TEST("saturated gates stay finite: pre-activations of any size") {
  for (const Kernels* k : runnable_isas()) {
    for (float z : {-1e30f, -200.0f, 200.0f, 1e30f}) {
      std::vector<float> gates(4, z), c(1), h(1), before(1, 0.5f);
      k->lstm_forward({gates.data(), c.data(), h.data(), before.data(), 1, 1});
      CHECK(all_finite(gates) && all_finite(c) && all_finite(h));
      std::vector<float> dc(1, 1.0f), dh(1, 1.0f), dhs(1, 1.0f);
      k->lstm_backward({gates.data(), dc.data(), dh.data(), dhs.data(), c.data(), before.data(), 1, 1});
      CHECK(all_finite(gates) && all_finite(dc));
    }
  }
}

}  // namespace
}  // namespace timernn::test
