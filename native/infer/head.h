// The output layer for inference: for some rows at once, whatever is wanted of a row's scores, taken while a
// few hundred of them are in cache. All scores of a row are written only where they are asked for.
// Threads share the columns; what comes out does not depend on how many there are.
#pragma once

#include <cstdint>
#include <vector>

#include "../math/kernels.h"
#include "team.h"
#include "weights.h"

namespace timernn {

inline constexpr std::size_t kNoToken = static_cast<std::size_t>(-1);

struct Candidate {
  float score;
  std::uint32_t token;
};

/// What is wanted of one row.
struct HeadQuestion {
  std::size_t keep = 0;             ///< so many of the best
  std::size_t target = kNoToken;    ///< the score of this one
  std::size_t excluded = kNoToken;  ///< never among the best nor in the sum
  float by = 1.0f;                  ///< the sum is of exp(by · score)
  float* scores = nullptr;          ///< V, or null: all of them
  // The answers.
  std::vector<Candidate> best;  ///< best first, ties by number
  float target_score = 0.0f;
  float top = 0.0f;  ///< the greatest by · score
  double sum = 0.0;  ///< Σ exp(by · score − top); NaN where a score is not finite
};

class Head {
 public:
  Head(const PredictorWeights& weights, std::size_t rows, std::size_t threads);

  /// h n×H, n at most rows.
  void answer(Team& team, const float* h, HeadQuestion* questions, std::size_t n);
  /// After answer, from the same h: the token at `share` (in [0, 1)) of row's sum, with the tokens in order.
  std::uint32_t draw(const float* h, const HeadQuestion& question, std::size_t row, double share);

 private:
  void answer_share(const float* h, HeadQuestion* questions, std::size_t n, const Share& share);
  void chunk(HeadQuestion& question, SoftmaxSum& sum, std::vector<Candidate>& best, float* z,
             std::size_t begin, std::size_t count);
  void merge(HeadQuestion& question, std::size_t row);
  LinearRows rows_of(const float* h, std::size_t n, std::size_t rank);
  float* logits(std::size_t rank) { return logits_.data() + rank * rows_ * chunk_; }

  const PredictorWeights& weights_;
  std::size_t rows_, threads_, chunk_, chunks_, scratch_floats_;
  Buffer logits_, shared_, scratch_;
  std::vector<SoftmaxSum> sums_;              // rows × chunks
  std::vector<std::vector<Candidate>> best_;  // threads × rows
};

}  // namespace timernn
