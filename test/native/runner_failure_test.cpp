// Runs that fail: the cause comes out once, everybody leaves, and the parameters are those of the last good
// window.
#include <algorithm>

#include "run.h"

namespace timernn::test {
namespace {

constexpr std::size_t kBadWindow = 20;

// A token that only window 20 of that stream reads.
void spoil(Run& run, std::size_t stream) {
  run.tokens[run.starts[stream] + kBadWindow * Run::kWindow + 2] = Run::kVocabulary;
}

TEST(
    "a bad token in one shard: its rank has the cause, the others ERR_TIMERNN_WORKER, nothing of that window "
    "is kept") {
  Run good;
  good.go(1, 0, kBadWindow);
  for (std::size_t stream : {0, 4, 6}) {  // in the first, second and third shard
    for (std::size_t workers : {1, 2, 3, 4}) {
      Run run;
      spoil(run, stream);
      std::size_t causes = 0;
      for (const Outcome& outcome : run.go(workers, 0, Run::kWindows)) {
        causes += outcome.error == "ERR_TIMERNN_TOKEN" ? 1 : 0;
        CHECK(outcome.error == "ERR_TIMERNN_TOKEN" || outcome.error == "ERR_TIMERNN_WORKER");
      }
      CHECK_EQ(causes, std::size_t{1});
      CHECK(same_bits(run.params, good.params));
    }
  }
}

TEST("bad tokens in all shards: every rank ends with a cause or as a victim") {
  Run good, run;
  good.go(1, 0, kBadWindow);
  for (std::size_t stream = 0; stream < 7; ++stream) spoil(run, stream);
  std::size_t causes = 0;
  for (const Outcome& outcome : run.go(3, 0, Run::kWindows)) {
    causes += outcome.error == "ERR_TIMERNN_TOKEN" ? 1 : 0;
    CHECK(outcome.error == "ERR_TIMERNN_TOKEN" || outcome.error == "ERR_TIMERNN_WORKER");
  }
  CHECK_GT(causes, std::size_t{0});
  CHECK(same_bits(run.params, good.params));
}

TEST("a poisoned run stays refused; after reset the same memory runs on") {
  Run run;
  spoil(run, 0);
  run.go(2, 0, Run::kWindows);
  for (const Outcome& outcome : run.go(2, 0, 1)) CHECK_EQ(outcome.error, std::string("ERR_TIMERNN_WORKER"));
  run.control().reset();
  for (const Outcome& outcome : run.go(2, 0, 1)) CHECK_EQ(outcome.error, std::string());
}

TEST("a corpus that ends too soon is an error of its rank, not a read beyond it") {
  Run run;
  run.tokens.resize(run.tokens.size() - 1);  // the very last target is missing
  run.tokens.shrink_to_fit();
  std::size_t causes = 0;
  for (const Outcome& outcome : run.go(3, 0, Run::kWindows))
    causes += outcome.error == "ERR_TIMERNN_CORPUS" ? 1 : 0;
  CHECK_EQ(causes, std::size_t{1});
}

// A learning rate near the largest float throws the weights so far that soon a loss overflows.
RunOptions wild() {
  return {{3, 2, 2}, "rnn", 3e38, 0.0};
}

TEST("divergence: the parameters stay those before the window that was not finite") {
  Run reference(wild());
  std::vector<float> before;
  std::string code;
  for (std::size_t w = 0; w < Run::kWindows && code.empty(); ++w) {
    before = reference.params;
    code = reference.go(1, w, w + 1)[0].error;
  }
  CHECK_EQ(code, std::string("ERR_TIMERNN_DIVERGED"));
  CHECK(same_bits(before, reference.params));
  CHECK(all_finite(reference.params));
  for (std::size_t workers : {2, 3, 4}) {
    Run run(wild());
    std::size_t causes = 0;
    for (const Outcome& outcome : run.go(workers, 0, Run::kWindows)) {
      causes += outcome.error == "ERR_TIMERNN_DIVERGED" ? 1 : 0;
      CHECK(outcome.error == "ERR_TIMERNN_DIVERGED" || outcome.error == "ERR_TIMERNN_WORKER");
    }
    CHECK_GT(causes, std::size_t{0});
    CHECK(same_bits(run.params, before));
  }
}

TEST("divergence: a NaN among the parameters is found in the first window") {
  for (std::size_t tensor : {0, 1, 2, 3, 4, 5}) {
    Run run;
    // A row of the embedding that the first window reads; anywhere in the other tensors.
    const std::size_t at = tensor == 0 ? run.tokens[0] * run.model.spec.embedding : 3;
    run.params[run.model.offsets[tensor] + at] = NAN;
    const std::vector<float> before = run.params;
    std::size_t causes = 0;
    for (const Outcome& outcome : run.go(2, 0, 3)) causes += outcome.error == "ERR_TIMERNN_DIVERGED" ? 1 : 0;
    CHECK_GT(causes, std::size_t{0});
    CHECK(same_bits(run.params, before));
  }
}

}  // namespace
}  // namespace timernn::test
