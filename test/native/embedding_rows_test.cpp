// The embedding's gradient by rows against the whole table, for any number of ranks.
#include "optim/embedding_rows.h"

#include <algorithm>
#include <cmath>

#include "helpers.h"

namespace timernn::test {
namespace {

/// Gradients of a few shards, each with some rows that are not zero and the list of them.
struct Tables {
  std::size_t V, D;
  std::vector<std::vector<float>> grads;
  std::vector<std::vector<std::uint32_t>> lists;

  Tables(std::size_t shards, std::size_t V, std::size_t D, std::size_t rows, std::uint64_t seed)
      : V(V), D(D) {
    Random random(seed);
    for (std::size_t s = 0; s < shards; ++s) {
      grads.emplace_back(V * D);
      lists.emplace_back(TouchedRows::capacity(rows, V));
      TouchedRows list{lists.back().data(), lists.back().size()};
      for (std::size_t i = 0; i < rows && list.count() < V; ++i) {
        const auto row = static_cast<std::uint32_t>(random.below(V));
        if (std::find(list.begin(), list.end(), row) != list.end()) continue;
        list.push(row);
        const std::vector<float> values = random.floats(D, 1.0);
        std::copy(values.begin(), values.end(), grads[s].begin() + static_cast<std::ptrdiff_t>(row * D));
      }
    }
  }
};

struct Result {
  std::vector<float> params;
  std::vector<double> squares;
};

Result by_rows(Tables t, std::size_t workers) {
  std::vector<float*> tables;
  std::vector<TouchedRows> touched;
  for (auto& g : t.grads) tables.push_back(g.data());
  for (auto& l : t.lists) touched.push_back({l.data(), l.size()});
  const EmbeddingGradients g{tables.data(), touched.data(), tables.size(), t.V, t.D};
  Result out{Random(9).floats(t.V * t.D, 1.0), std::vector<double>(kRowChunks, NAN)};
  std::vector<EmbeddingRows> ranks(workers, EmbeddingRows(t.V));
  for (std::size_t r = workers; r-- > 0;) ranks[r].reduce(out.squares.data(), g, r, workers);  // in any order
  for (std::size_t r = 0; r < workers; ++r) {
    const OptimizerNumbers numbers;
    const UpdateArgs args{nullptr, nullptr, {}, 0, 0.5f, INFINITY, 0.25, 1.0, numbers};
    ranks[r].update(*find_optimizer("sgd"), out.params.data(), g, args);
  }
  return out;
}

void check(std::size_t shards, std::size_t V, std::size_t D, std::size_t rows) {
  const Tables t(shards, V, D, rows, shards * 100 + V);
  std::vector<float> wanted = Random(9).floats(V * D, 1.0);
  double square = 0.0;
  for (std::size_t i = 0; i < V * D; ++i) {
    double sum = 0.0;
    for (const auto& g : t.grads) sum += static_cast<double>(g[i]);
    square += sum * sum;
    wanted[i] = static_cast<float>(static_cast<double>(wanted[i]) - 0.125 * sum);
  }
  const Result one = by_rows(t, 1);
  double total = 0.0;
  for (double s : one.squares) total += s;
  CHECK_NEAR(total, square, 1e-5 * square + 1e-12);
  for (std::size_t i = 0; i < V * D; ++i) CHECK_NEAR(one.params[i], static_cast<double>(wanted[i]), 1e-6);
  for (std::size_t workers : {2, 3, 7, 70}) {
    const Result many = by_rows(t, workers);
    CHECK(same_bits(many.params, one.params));
    CHECK(many.squares == one.squares);
  }
}

TEST("embedding rows: what the whole table would give, to the same bits for any number of ranks") {
  for (std::size_t shards : {1, 2, 5}) {
    check(shards, 300, 17, 40);
    check(shards, 5, 3, 40);    // every row touched, fewer rows than chunks
    check(shards, 65, 8, 1);    // hardly any
    check(shards, 1000, 4, 0);  // none
  }
}

TEST("embedding rows: a second window is not led by the marks of the first") {
  EmbeddingRows rows(10);
  for (std::uint64_t window : {1, 2, 3}) {
    Tables t(2, 10, 3, 6, window);
    std::vector<float*> tables = {t.grads[0].data(), t.grads[1].data()};
    const std::vector<TouchedRows> touched = {{t.lists[0].data(), t.lists[0].size()},
                                              {t.lists[1].data(), t.lists[1].size()}};
    double square = 0.0, total = 0.0;
    for (std::size_t i = 0; i < 30; ++i) {
      const double sum = static_cast<double>(t.grads[0][i]) + static_cast<double>(t.grads[1][i]);
      square += sum * sum;
    }
    std::vector<double> squares(kRowChunks, NAN);
    rows.reduce(squares.data(), {tables.data(), touched.data(), 2, 10, 3}, 0, 1);
    for (double s : squares) total += s;
    CHECK_NEAR(total, square, 1e-5 * square);
  }
}

}  // namespace
}  // namespace timernn::test
