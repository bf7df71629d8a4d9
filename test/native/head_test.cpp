// The fused head and the layer loss against their formulas in double.
#include "head.h"

#include <algorithm>

#include "gemm/packed.h"
#include "helpers.h"
#include "layers/affine.h"
#include "losses/softmax_cross_entropy.h"
#include "reference/model.h"

namespace timernn::test {
namespace {

struct Expected {
  double loss = 0.0;
  std::vector<double> dhs, dW, db;
};

// z = h·W + b, p = softmax(z), dz = (p − onehot) · scale; dh = dz·Wᵀ, dW = hᵀ·dz, db = Σ dz.
Expected head_in_double(const std::vector<float>& hs, const std::vector<float>& W,
                        const std::vector<float>& b, const std::vector<std::uint32_t>& targets,
                        double scale) {
  const std::size_t M = targets.size(), V = b.size(), H = W.size() / V;
  Expected e{0.0, std::vector<double>(M * H), std::vector<double>(H * V), std::vector<double>(V)};
  for (std::size_t r = 0; r < M; ++r) {
    std::vector<double> z = to_double(b);
    for (std::size_t j = 0; j < H; ++j) {
      const double h = static_cast<double>(hs[r * H + j]);
      for (std::size_t v = 0; v < V; ++v) z[v] += h * static_cast<double>(W[j * V + v]);
    }
    const double loss = reference_loss(z.data(), V, targets[r]),
                 shift = z[targets[r]] + loss;  // shift: log Σ exp z
    e.loss += loss;
    for (std::size_t v = 0; v < V; ++v)
      z[v] = (std::exp(z[v] - shift) - (v == targets[r] ? 1.0 : 0.0)) * scale;
    for (std::size_t j = 0; j < H; ++j) {
      const double h = static_cast<double>(hs[r * H + j]);
      for (std::size_t v = 0; v < V; ++v) {
        e.dhs[r * H + j] += z[v] * static_cast<double>(W[j * V + v]);
        e.dW[j * V + v] += h * z[v];
      }
    }
    for (std::size_t v = 0; v < V; ++v) e.db[v] += z[v];
  }
  return e;
}

void check_head(const HeadDims& most, std::size_t M, std::uint64_t seed, double size = 1.5) {
  Random random(seed);
  const std::size_t H = most.H, V = most.V;
  const std::vector<float> hs = random.floats(M * H, 1.0), W = random.floats(H * V, size);
  const std::vector<float> b = random.floats(V, 1.0);
  std::vector<std::uint32_t> targets = random.tokens(M, V);
  targets[0] = static_cast<std::uint32_t>(V - 1);  // the last column, which may lie in a partial panel
  const HeadInput in{hs.data(), W.data(), b.data(), targets.data(), M};
  const float scale = 1.0f / static_cast<float>(M);
  const Expected e = head_in_double(hs, W, b, targets, static_cast<double>(scale));
  Head head(most, true), inference(most, false);
  for (int again = 0; again < 2; ++again) {  // a second call finds the workspace used
    Guarded dhs(std::vector<float>(M * H, NAN), 0), dW(std::vector<float>(H * V, NAN), 0);
    Guarded db(std::vector<float>(V, NAN), 0);
    const double loss = head.forward_backward(in, {dhs.data(), dW.data(), db.data(), scale});
    CHECK(dhs.intact() && dW.intact() && db.intact());
    CHECK_NEAR(loss, e.loss, 1e-6 * e.loss + 1e-7);
    CHECK_EQ(head.forward(in), loss);
    CHECK_EQ(inference.forward(in), loss);
    CHECK_LE(relative_error(dhs.values(), e.dhs), 1e-5);
    CHECK_LE(relative_error(dW.values(), e.dW), 1e-5);
    CHECK_LE(relative_error(db.values(), e.db), 1e-5);
  }
  CHECK_LT((*inference).workspace_floats(), (*head).workspace_floats() + 1);
}

TEST("head: one block, one row, two classes, vocabularies around the panel's width") {
  check_head({7, 5, 11}, 7, 1);
  check_head({1, 5, 11}, 1, 2);
  check_head({3, 1, 40}, 3, 3);
  check_head({3, 4, 2}, 3, 4);
  for (std::size_t V : {7, 8, 9, 15, 16, 17, 31, 32, 33, 65}) check_head({13, 6, V}, 13, V);
  for (std::size_t H : {15, 16, 17, 32, 40}) check_head({13, H, 50}, 13, H);
}

TEST("head: more units and rows than stay in cache, so that both go in parts") {
  // Small weights: with large ones every row is sure of itself, and its gradients are roundings.
  check_head({130, 400, 50}, 130, 7, 0.1);
}

TEST("head: fewer rows than it was built for") {
  for (std::size_t M : {1, 2, 19}) check_head({30, 6, 45}, M, M);
}

TEST("head: more rows than a block may have, of a small vocabulary, few units and many") {
  check_head({900, 3, 20}, 900, 8);
  check_head({900, 300, 20}, 900, 9, 0.1);
}

TEST("head: several blocks, the last one short or a single row") {
  CHECK_LT((*Head({130, 3, 33000}, true)).block_rows(), std::size_t{130});
  check_head({130, 3, 33000}, 130, 5);
  const std::size_t rows = (*Head({129, 2, 33000}, true)).block_rows();
  check_head({129, 2, 33000}, rows + 1, 6);
}

// What one head leaves, another one like it makes, part by part from the last.
void check_left(const HeadDims& most, std::size_t M) {
  if (gemm_path() != GemmPath::packed) return;
  Random random(M);
  const std::vector<float> hs = random.floats(M * most.H, 1.0), W = random.floats(most.H * most.V, 0.3);
  const std::vector<float> b = random.floats(most.V, 1.0);
  const std::vector<std::uint32_t> targets = random.tokens(M, most.V);
  const HeadInput in{hs.data(), W.data(), b.data(), targets.data(), M};
  Buffer packed(packed_head_floats(most.H, most.V, true));
  pack_head(packed.data(), {W.data(), b.data(), most.H, most.V, most.tied}, true, 0, 1);
  SoftmaxHead whole(most, true, packed.data()), leaves(most, true, packed.data(), true);
  const SoftmaxHead helper(most, true, packed.data(), true);
  Guarded work(SoftmaxHead::work_floats(most), 0);
  leaves.work_in(work.data());
  std::vector<float> dhs(M * most.H), dW(most.H * most.V, NAN), db(most.V, NAN), left_dhs(dhs);
  Guarded left_dW(dW, 0), left_db(db, 0);
  const double loss = whole.forward_backward(in, {dhs.data(), dW.data(), db.data(), 0.5f});
  CHECK_EQ(leaves.forward_backward(in, {left_dhs.data(), left_dW.data(), left_db.data(), 0.5f}, true), loss);
  CHECK(same_bits(dhs, left_dhs));
  CHECK(!same_bits(dW, left_dW.values()));
  for (std::size_t part = helper.weight_parts(M); part-- > 0;) {
    helper.weight_part(left_dW.data(), left_db.data(), work.data(), M, part);
  }
  CHECK(all_finite(dW) && all_finite(db));  // every number is in a part
  CHECK(same_bits(dW, left_dW.values()) && same_bits(db, left_db.values()));
  CHECK(work.intact() && left_dW.intact() && left_db.intact());
}

TEST("head: the gradient of the weights that is left, made by another head") {
  for (const bool tied : {false, true}) {
    check_left({13, 6, 40, tied}, 13);
    check_left({30, 17, 1500, tied}, 11);
    check_left({200, 150, 1000, tied}, 200);
    check_left({900, 300, 20, tied}, 900);
    check_left({900, 3, 20, tied}, 900);  // more than a block: the ones before are not left
  }
}

// dW of tied weights is the other's, turned, but for rounding.
TEST("head: tied weights have the gradients of the same weights turned, in several parts") {
  if (gemm_path() != GemmPath::packed) return;
  const std::size_t M = 40, H = 30, V = 2000;
  Random random(3);
  const std::vector<float> hs = random.floats(M * H, 1.0), W = random.floats(H * V, 0.3);
  const std::vector<float> b = random.floats(V, 1.0);
  std::vector<float> turned(V * H);
  for (std::size_t v = 0; v < V; ++v) {
    for (std::size_t h = 0; h < H; ++h) turned[v * H + h] = W[h * V + v];
  }
  const std::vector<std::uint32_t> targets = random.tokens(M, V);
  Buffer packed(packed_head_floats(H, V, true)), packed_tied(packed_head_floats(H, V, true));
  pack_head(packed.data(), {W.data(), b.data(), H, V, false}, true, 0, 1);
  pack_head(packed_tied.data(), {turned.data(), b.data(), H, V, true}, true, 0, 1);
  SoftmaxHead plain({M, H, V, false}, true, packed.data()), tied({M, H, V, true}, true, packed_tied.data());
  std::vector<float> dhs(M * H), dW(H * V), db(V), tied_dhs(M * H), tied_dW(V * H, NAN), tied_db(V, NAN);
  CHECK_LT(std::size_t{1}, tied.weight_parts(M));
  const double loss = plain.forward_backward({hs.data(), W.data(), b.data(), targets.data(), M},
                                             {dhs.data(), dW.data(), db.data(), 1.0f});
  CHECK_NEAR(tied.forward_backward({hs.data(), turned.data(), b.data(), targets.data(), M},
                                   {tied_dhs.data(), tied_dW.data(), tied_db.data(), 1.0f}),
             loss, 1e-6 * loss);
  std::vector<double> wanted(V * H);
  for (std::size_t v = 0; v < V; ++v) {
    for (std::size_t h = 0; h < H; ++h) wanted[v * H + h] = static_cast<double>(dW[h * V + v]);
  }
  CHECK_LE(relative_error(tied_dW, wanted), 1e-6);
  CHECK_LE(relative_error(tied_dhs, to_double(dhs)), 1e-6);
  CHECK_LE(relative_error(tied_db, to_double(db)), 1e-6);
}

TEST("head: logits that rise far above all before them, after several hundred columns") {
  // Column v has the logit h · (v / 100): the greatest so far moves by more than exp can bear at once.
  const std::size_t V = 1500;
  std::vector<float> W(V), b(V), hs = {30.0f, -30.0f, 12.0f}, dhs(3), dW(V), db(V);
  for (std::size_t v = 0; v < V; ++v) W[v] = static_cast<float>(v) / 100.0f;
  for (const std::uint32_t target : {3u, 700u, 1499u}) {
    const std::vector<std::uint32_t> targets(3, target);
    const Expected e = head_in_double(hs, W, b, targets, 1.0);
    Head head({3, 1, V}, true);
    const double loss = head.forward_backward({hs.data(), W.data(), b.data(), targets.data(), 3},
                                              {dhs.data(), dW.data(), db.data(), 1.0f});
    CHECK_NEAR(loss, e.loss, 1e-6 * e.loss);
    CHECK_LE(relative_error(dhs, e.dhs), 1e-5);
    CHECK_LE(relative_error(dW, e.dW), 1e-5);
    CHECK_LE(relative_error(db, e.db), 1e-5);
  }
}

TEST("head: a confident or hopeless row stays finite; a NaN reaches the loss") {
  const std::vector<std::uint32_t> targets = {1, 0};
  const std::vector<float> W = {-1.0f, 1.0f, 0.0f}, b(3);
  Head head({2, 1, 3}, true);
  std::vector<float> hs = {200.0f, 200.0f}, dhs(2), dW(3), db(3);
  const HeadInput in{hs.data(), W.data(), b.data(), targets.data(), 2};
  CHECK_NEAR(head.forward_backward(in, {dhs.data(), dW.data(), db.data(), 1.0f}), 400.0, 1e-4);
  CHECK(all_finite(dhs) && all_finite(dW) && all_finite(db));
  CHECK_NEAR(db[0], -1.0, 1e-6);
  CHECK_NEAR(db[1], 1.0, 1e-6);
  for (std::size_t row : {0, 1}) {
    hs = {1.0f, 1.0f};
    hs[row] = NAN;
    CHECK(std::isnan(head.forward_backward(in, {dhs.data(), dW.data(), db.data(), 1.0f})));
  }
}

TEST("affine: forward and gradients against double") {
  Random random(7);
  const AffineDims d{4, 6, 9};
  const std::vector<float> x = random.floats(24, 1.0), W = random.floats(54, 1.0), b = random.floats(9, 1.0);
  const std::vector<float> dy = random.floats(36, 1.0);
  std::vector<float> y(36, NAN), dx(24, NAN), dW(54, NAN), db(9, NAN);
  affine_forward(y.data(), x.data(), W.data(), b.data(), d);
  affine_backward({dx.data(), dW.data(), db.data()}, dy.data(), x.data(), W.data(), d);
  std::vector<double> y2(36), dx2(24), dW2(54), db2(9);
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t o = 0; o < 9; ++o) {
      y2[r * 9 + o] = static_cast<double>(b[o]);
      db2[o] += static_cast<double>(dy[r * 9 + o]);
      for (std::size_t i = 0; i < 6; ++i) {
        y2[r * 9 + o] += static_cast<double>(x[r * 6 + i]) * static_cast<double>(W[i * 9 + o]);
        dx2[r * 6 + i] += static_cast<double>(dy[r * 9 + o]) * static_cast<double>(W[i * 9 + o]);
        dW2[i * 9 + o] += static_cast<double>(x[r * 6 + i]) * static_cast<double>(dy[r * 9 + o]);
      }
    }
  }
  CHECK_LE(relative_error(y, y2), 1e-6);
  CHECK_LE(relative_error(dx, dx2), 1e-6);
  CHECK_LE(relative_error(dW, dW2), 1e-6);
  CHECK_LE(relative_error(db, db2), 1e-6);
}

TEST("layer loss: ignored labels neither count nor get a gradient; all ignored is 0") {
  Random random(8);
  const LossDims d{4, 7};
  const std::vector<float> logits = random.floats(28, 3.0);
  std::vector<std::int32_t> labels = {2, -1, 6, -1};
  std::vector<float> probs(28, NAN), dlogits(28, NAN);
  const std::vector<double> z = to_double(logits);
  const double expected = (reference_loss(&z[0], 7, 2) + reference_loss(&z[14], 7, 6)) / 2.0;
  CHECK_NEAR(softmax_loss_forward(probs.data(), logits.data(), labels.data(), -1, d), expected, 1e-6);
  softmax_loss_backward(dlogits.data(), probs.data(), labels.data(), -1, 2.0f, d);
  for (std::size_t r = 0; r < 4; ++r) {
    double sum = 0.0;
    for (std::size_t c = 0; c < 7; ++c) {
      const std::size_t i = r * 7 + c;
      sum += static_cast<double>(probs[i]);
      const double p = std::exp(-reference_loss(&z[r * 7], 7, c));
      const bool label = labels[r] == static_cast<std::int32_t>(c);
      CHECK_NEAR(probs[i], p, 1e-6);
      CHECK_NEAR(dlogits[i], labels[r] == -1 ? 0.0 : p - (label ? 1.0 : 0.0), 1e-6);
    }
    CHECK_NEAR(sum, 1.0, 1e-6);
  }
  labels = {-1, -1, -1, -1};
  CHECK_EQ(softmax_loss_forward(probs.data(), logits.data(), labels.data(), -1, d), 0.0);
  softmax_loss_backward(dlogits.data(), probs.data(), labels.data(), -1, 1.0f, d);
  CHECK(std::all_of(dlogits.begin(), dlogits.end(), [](float x) { return x == 0.0f; }));
}

TEST("layer loss: finite when the label's probability underflows; labels out of range are refused") {
  const std::vector<float> logits = {1000.0f, 0.0f, -1000.0f};
  std::vector<float> probs(3);
  std::int32_t label = 2;
  CHECK_NEAR(softmax_loss_forward(probs.data(), logits.data(), &label, -1, {1, 3}), 2000.0, 1e-3);
  for (std::int32_t bad : {3, -2, -2147483647}) {
    label = bad;
    CHECK_CODE(softmax_loss_forward(probs.data(), logits.data(), &label, -1, {1, 3}), "ERR_TIMERNN_TOKEN");
    CHECK_CODE(softmax_loss_backward(probs.data(), logits.data(), &label, -1, 1.0f, {1, 3}),
               "ERR_TIMERNN_TOKEN");
  }
}

}  // namespace
}  // namespace timernn::test
