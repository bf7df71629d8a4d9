// Fixed-order reduction, the global norm, clipping and the SGD step.
#include "optim/reduce.h"

#include <cmath>

#include "helpers.h"
#include "optim/optimizer.h"

namespace timernn::test {
namespace {

TEST("chunk ranges: cover every chunk once, for any number of workers") {
  for (std::size_t params : {1, 8191, 8192, 8193, 100000}) {
    for (std::size_t workers : {1, 2, 3, 7, 40}) {
      std::size_t next = 0;
      for (std::size_t rank = 0; rank < workers; ++rank) {
        const ChunkRange range = chunks_of(params, rank, workers);
        CHECK_EQ(range.begin, next);
        CHECK(range.end >= range.begin);
        next = range.end;
      }
      CHECK_EQ(next, reduce_chunks(params));
    }
  }
}

void check_reduction(std::size_t shards, std::size_t params) {
  Random random(shards);
  std::vector<std::vector<float>> parts;
  for (std::size_t s = 0; s < shards; ++s) parts.push_back(random.floats(params, 1.0));
  std::vector<float> wanted = parts[0];
  for (std::size_t s = 1; s < shards; ++s) {
    for (std::size_t i = 0; i < params; ++i) wanted[i] += parts[s][i];
  }
  double square = 0.0;
  for (float w : wanted) square += static_cast<double>(w) * static_cast<double>(w);
  double norm = NAN;
  for (std::size_t workers : {1, 2, 3, 5}) {
    std::vector<std::vector<float>> grads = parts;
    std::vector<float*> at;
    for (auto& g : grads) at.push_back(g.data());
    std::vector<double> squares(reduce_chunks(params), NAN);
    for (std::size_t rank = workers; rank-- > 0;) {  // in any order of ranks
      reduce_gradients(squares.data(), at.data(), shards, params, chunks_of(params, rank, workers));
    }
    CHECK(same_bits(grads[0], wanted));
    for (std::size_t s = 1; s < shards; ++s) CHECK(same_bits(grads[s], parts[s]));
    const double got = global_norm(squares.data(), reduce_chunks(params));
    CHECK_NEAR(got, std::sqrt(square), 1e-5 * std::sqrt(square));
    if (workers > 1) CHECK_EQ(got, norm);
    norm = got;
  }
}

TEST("reduce: shards added in order to the bit, any number of workers, more shards than fit one pass") {
  for (std::size_t shards : {1, 2, 5}) check_reduction(shards, 30001);
  for (std::size_t shards : {63, 64, 65, 127, 128, 130, 200}) check_reduction(shards, 8200);
}

TEST("reduce: a NaN in any shard reaches the norm") {
  for (std::size_t bad : {0, 3, 69}) {
    std::vector<std::vector<float>> grads(70, std::vector<float>(9000, 0.5f));
    grads[bad][8500] = NAN;
    std::vector<float*> at;
    for (auto& g : grads) at.push_back(g.data());
    std::vector<double> squares(2);
    reduce_gradients(squares.data(), at.data(), 70, 9000, {0, 2});
    CHECK(std::isnan(global_norm(squares.data(), 2)));
  }
}

TEST("clip_factor: min(1, clip / norm); 0 turns it off") {
  CHECK_EQ(clip_factor(10.0, 2.5), 0.25);
  CHECK_EQ(clip_factor(2.0, 2.5), 1.0);
  CHECK_EQ(clip_factor(2.5, 2.5), 1.0);
  CHECK_EQ(clip_factor(10.0, 0.0), 1.0);
  CHECK_EQ(clip_factor(0.0, 1.0), 1.0);
}

TEST("sgd: p - learning rate * clip * g; an unknown optimiser is null") {
  const Optimizer* sgd = find_optimizer("sgd");
  if (!CHECK(sgd != nullptr)) return;
  Random random(9);
  const std::vector<float> before = random.floats(1003, 1.0), grads = random.floats(1003, 1.0);
  Guarded params(before, 1);
  const OptimizerNumbers numbers;
  sgd->update({params.data(), grads.data(), {}, 1003, 0.5f, INFINITY, 0.1, 1.0, numbers});
  CHECK(params.intact());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK_NEAR(params[i], static_cast<double>(before[i]) - 0.05 * static_cast<double>(grads[i]), 2e-7);
  }
  CHECK(find_optimizer("no such optimiser") == nullptr);
}

}  // namespace
}  // namespace timernn::test
