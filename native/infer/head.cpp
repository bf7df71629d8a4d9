// A few panels of the output layer at a time; see head.h.
#include "head.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace timernn {

namespace {
constexpr std::size_t kChunkPanels = 16;

bool better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.token < b.token);
}

// A heap of the best so many, the worst of them on top. Ties with it are worse: their numbers are higher.
void collect(std::vector<Candidate>& best, std::size_t keep, const float* z, std::size_t begin,
             std::size_t count, std::size_t excluded) {
  for (std::size_t i = 0; i < count; ++i) {
    if (best.size() == keep && !(z[i] > best.front().score)) continue;
    if (begin + i == excluded) continue;
    if (best.size() == keep) {
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    best.push_back({z[i], static_cast<std::uint32_t>(begin + i)});
    std::push_heap(best.begin(), best.end(), better);
  }
}
}  // namespace

Head::Head(const PredictorWeights& weights, std::size_t rows, std::size_t threads)
    : weights_(weights), rows_(rows), threads_(threads), chunk_(kChunkPanels * kernels().panel) {
  chunks_ = (weights.spec().vocabulary + chunk_ - 1) / chunk_;
  scratch_floats_ = weights.head().scratch_floats(rows);
  logits_ = Buffer(threads * rows * chunk_);
  shared_ = Buffer(weights.head().shared_floats(rows));
  scratch_ = Buffer(threads * scratch_floats_);
  sums_.resize(rows * chunks_);
  best_.resize(threads * rows);
}

LinearRows Head::rows_of(const float* h, std::size_t n, std::size_t rank) {
  const std::size_t H = weights_.spec().output_size();
  return {nullptr,
          chunk_,
          h,
          H,
          n,
          nullptr,
          false,
          false,
          shared_.data(),
          scratch_.data() + rank * scratch_floats_};
}

void Head::answer(Team& team, const float* h, HeadQuestion* questions, std::size_t n) {
  // Nothing is allocated by the threads: what a thread of a team throws has nowhere to go.
  for (std::size_t r = 0; r < n; ++r) {
    questions[r].best.reserve(questions[r].keep * threads_);
    for (std::size_t t = 0; t < threads_; ++t) best_[t * rows_ + r].reserve(questions[r].keep);
  }
  team.run([&](const Share& share) { answer_share(h, questions, n, share); });
}

void Head::answer_share(const float* h, HeadQuestion* questions, std::size_t n, const Share& share) {
  const Linear& head = weights_.head();
  LinearRows rows = rows_of(h, n, share.rank);
  head.prepare(rows, share);
  for (std::size_t r = 0; r < n; ++r) best_[share.rank * rows_ + r].clear();
  share.sync();
  for (std::size_t c = share.begin(chunks_); c < share.end(chunks_); ++c) {
    const std::size_t begin = c * chunk_, count = std::min(chunk_, weights_.spec().vocabulary - begin);
    rows.C = logits(share.rank) - begin;
    rows.bias = weights_.head_bias();
    head.columns(rows, begin, begin + count);
    for (std::size_t r = 0; r < n; ++r) {
      chunk(questions[r], sums_[r * chunks_ + c], best_[share.rank * rows_ + r],
            logits(share.rank) + r * chunk_, begin, count);
    }
  }
  share.sync();
  for (std::size_t r = share.begin(n); r < share.end(n); ++r) merge(questions[r], r);
  share.sync();
}

void Head::chunk(HeadQuestion& q, SoftmaxSum& sum, std::vector<Candidate>& best, float* z, std::size_t begin,
                 std::size_t count) {
  if (q.scores != nullptr) std::copy(z, z + count, q.scores + begin);
  if (q.target >= begin && q.target < begin + count) q.target_score = z[q.target - begin];
  if (q.keep > 0) collect(best, q.keep, z, begin, count, q.excluded);
  if (q.by != 1.0f) {
    for (std::size_t i = 0; i < count; ++i) z[i] *= q.by;
  }
  // Finite, so that it is no mistake of the model's, and of no weight next to any other.
  if (q.excluded >= begin && q.excluded < begin + count)
    z[q.excluded - begin] = std::numeric_limits<float>::lowest();
  kernels().softmax_sum(&sum, z, count);
}

void Head::merge(HeadQuestion& q, std::size_t row) {
  const SoftmaxSum* sums = &sums_[row * chunks_];
  q.top = sums[0].top;
  for (std::size_t c = 1; c < chunks_; ++c) q.top = std::max(q.top, sums[c].top);
  q.sum = 0.0;
  for (std::size_t c = 0; c < chunks_; ++c) {
    q.sum += sums[c].sum * std::exp(static_cast<double>(sums[c].top) - static_cast<double>(q.top));
  }
  q.best.clear();
  if (!std::isfinite(q.sum)) return;  // a NaN has no place in an order
  for (std::size_t t = 0; t < threads_; ++t) {
    const auto& part = best_[t * rows_ + row];
    q.best.insert(q.best.end(), part.begin(), part.end());
  }
  std::sort(q.best.begin(), q.best.end(), better);
  if (q.best.size() > q.keep) q.best.resize(q.keep);
}

std::uint32_t Head::draw(const float* h, const HeadQuestion& q, std::size_t row, double share) {
  const SoftmaxSum* sums = &sums_[row * chunks_];
  double left = share * q.sum;
  std::size_t c = 0, last = 0;
  for (; c < chunks_; ++c) {
    const double weight =
        sums[c].sum * std::exp(static_cast<double>(sums[c].top) - static_cast<double>(q.top));
    if (weight > 0.0) last = c;
    if (left < weight) break;
    left -= weight;
  }
  // Rounding may leave a sliver: it belongs to the last chunk that has any weight.
  if (c == chunks_) c = last;
  const std::size_t begin = c * chunk_, count = std::min(chunk_, weights_.spec().vocabulary - begin);
  const std::size_t H = weights_.spec().output_size();
  LinearRows rows = rows_of(h + row * H, 1, 0);
  rows.C = logits(0) - begin;
  rows.bias = weights_.head_bias();
  weights_.head().prepare(rows, Share{});
  weights_.head().columns(rows, begin, begin + count);
  const float* z = logits(0);
  std::uint32_t token = 0;
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (begin + i == q.excluded) continue;
    const double weight = std::exp(static_cast<double>(z[i] * q.by) - static_cast<double>(q.top));
    if (any && weight == 0.0) continue;
    token = static_cast<std::uint32_t>(begin + i);
    any = true;
    left -= weight;
    if (left < 0.0) break;
  }
  return token;
}

}  // namespace timernn
