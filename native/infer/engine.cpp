// Rounds of questions and tokens; see engine.h.
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../math/philox.h"

namespace timernn {

namespace {
constexpr double kColdest = 1e-4;

// Where the last recurrent layer's h begins in a session's state.
std::size_t top_offset(const ModelSpec& spec, std::size_t layers) {
  std::size_t at = 0;
  for (std::size_t l = 0; l + 1 < layers; ++l) at += spec.layers[l].cell->states * spec.layers[l].size;
  return at;
}
}  // namespace

Engine::Engine(std::shared_ptr<const PredictorWeights> weights, std::size_t rows, std::size_t threads)
    : weights_(std::move(weights)), rows_(rows), team_(threads), head_(*weights_, rows, threads) {
  std::size_t work = 0, shared = 0;
  for (const auto& layer : weights_->layers()) {
    work = std::max(work, layer.cell->step_floats({1, rows, layer.D, layer.H}));
    shared = std::max(shared, layer.shared_floats(rows));
    scratch_floats_ = std::max(scratch_floats_, layer.scratch_floats(rows));
  }
  const ModelSpec& spec = weights_->spec();
  x_ = Buffer(rows * spec.embedding);
  state_ = Buffer(state_floats(spec, rows));
  work_ = Buffer(work);
  shared_ = Buffer(shared);
  scratch_ = Buffer(threads * scratch_floats_);
  top_ = Buffer(rows * spec.layers[spec.recurrent_layers() - 1].size);
  projected_ = Buffer(rows * spec.output_size());
  progress_.resize(rows);
  questions_.resize(rows);
}

// Whether the next thing that a request needs is an answer of the output layer.
bool Engine::asks(const SessionRequest& r, const Progress& p) {
  if (p.answered) return false;
  if (r.ask == Ask::score) return p.read < r.count;
  return p.read == r.count && r.ask != Ask::nothing && (r.ask != Ask::sample || p.drawn < r.length);
}

void Engine::run(SessionRequest* requests, std::size_t count) {
  std::fill_n(progress_.begin(), count, Progress{});
  for (;;) {
    active_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      if (!progress_[i].done && asks(requests[i], progress_[i])) active_.push_back(i);
    }
    const bool asked = !active_.empty();
    if (asked) ask(requests);
    active_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      Progress& p = progress_[i];
      if (!p.done && !p.answered && p.read == requests[i].count && requests[i].ask == Ask::nothing)
        p.done = true;
      if (!p.done && (p.answered || p.read < requests[i].count)) active_.push_back(i);
    }
    if (!active_.empty()) {
      feed(requests);
    } else if (!asked) {
      break;
    }
  }
  const std::size_t length = state_floats(weights_->spec(), 1);
  for (std::size_t i = 0; i < count; ++i) {
    SessionRequest& r = requests[i];
    r.finite = r.finite && std::all_of(r.state, r.state + length, [](float x) { return std::isfinite(x); });
  }
}

CellStep Engine::cell_step(std::size_t layer, std::size_t n, float* state, const float* x, std::size_t rank) {
  const auto& l = weights_->layers()[layer];
  return {state,
          projected_.data(),
          x,
          l.tensors.data(),
          l.forms.data(),
          work_.data(),
          shared_.data(),
          scratch_.data() + rank * scratch_floats_,
          {1, n, l.D, l.H}};
}

void Engine::feed(SessionRequest* requests) {
  const ModelSpec& spec = weights_->spec();
  const std::size_t n = active_.size(), D = spec.embedding;
  for (std::size_t i = 0; i < n; ++i) {
    SessionRequest& r = requests[active_[i]];
    Progress& p = progress_[active_[i]];
    const bool drawn = p.read == r.count;
    const std::uint32_t token = drawn ? p.drawn_token : r.tokens[p.read];
    std::memcpy(x_.data() + i * D, weights_->embedding() + token * D, D * sizeof(float));
    if (!drawn) ++p.read;
    p.answered = false;
    if (drawn && p.drawn == r.length) p.done = true;
    if (r.ask == Ask::score && p.read == r.count) p.done = true;
  }
  // A session has its vectors one after the other, the products the rows of one vector.
  const auto each_vector = [&](auto copy) {
    std::size_t at = 0;
    for (const LayerSpec& layer : spec.layers) {
      for (std::size_t s = 0; s < layer.cell->states; ++s, at += layer.size) {
        for (std::size_t i = 0; i < n; ++i) {
          copy(state_.data() + at * n + i * layer.size, requests[active_[i]].state + at,
               layer.size * sizeof(float));
        }
      }
    }
  };
  each_vector(
      [](float* rows, const float* session, std::size_t bytes) { std::memcpy(rows, session, bytes); });
  team_.run([&](const Share& share) { feed_share(n, share); });
  each_vector(
      [](const float* rows, float* session, std::size_t bytes) { std::memcpy(session, rows, bytes); });
}

void Engine::feed_share(std::size_t n, const Share& share) {
  const float* x = x_.data();
  float* state = state_.data();
  for (std::size_t l = 0; l < weights_->spec().recurrent_layers(); ++l) {
    const auto& layer = weights_->layers()[l];
    layer.cell->step(cell_step(l, n, state, x, share.rank), share);
    x = state;
    state += layer.cell->states * n * layer.H;
  }
}

void Engine::project(std::size_t n, const Share& share) {
  const ModelSpec& spec = weights_->spec();
  const float* x = top_.data();
  for (std::size_t l = spec.recurrent_layers(); l < spec.layers.size(); ++l) {
    weights_->layers()[l].cell->step(cell_step(l, n, nullptr, x, share.rank), share);
    x = projected_.data();
  }
}

void Engine::ask(SessionRequest* requests) {
  const ModelSpec& spec = weights_->spec();
  const std::size_t n = active_.size(), recurrent = spec.recurrent_layers();
  const std::size_t H = spec.layers[recurrent - 1].size, at = top_offset(spec, recurrent);
  for (std::size_t i = 0; i < n; ++i) {
    const SessionRequest& r = requests[active_[i]];
    std::memcpy(top_.data() + i * H, r.state + at, H * sizeof(float));
    question(r, progress_[active_[i]], questions_[i]);
  }
  const bool projects = recurrent < spec.layers.size();
  if (projects) team_.run([&](const Share& share) { project(n, share); });
  head_.answer(team_, projects ? projected_.data() : top_.data(), questions_.data(), n);
  for (std::size_t i = 0; i < n; ++i) accept(requests[active_[i]], progress_[active_[i]], i);
}

void Engine::question(const SessionRequest& r, const Progress& p, HeadQuestion& q) const {
  q.keep = 0;
  q.target = q.excluded = kNoToken;
  q.by = 1.0f;
  q.scores = nullptr;
  if (r.ask == Ask::probabilities) q.scores = r.probabilities;
  if (r.ask == Ask::top) q.keep = r.k;
  if (r.ask == Ask::score) q.target = r.tokens[p.read];
  if (r.ask != Ask::sample) return;
  q.excluded = r.excluded;
  if (r.temperature < kColdest) {
    q.keep = 1;
  } else if (r.k > 0 && r.k < weights_->spec().vocabulary) {
    q.keep = r.k;
  } else {
    q.by = static_cast<float>(1.0 / r.temperature);
  }
}

void Engine::accept(SessionRequest& r, Progress& p, std::size_t row) {
  const HeadQuestion& q = questions_[row];
  if (!std::isfinite(q.sum)) {
    r.finite = false;
    p.done = true;
    return;
  }
  const auto log_share = [&](float score) {
    return static_cast<double>(score) - static_cast<double>(q.top) - std::log(q.sum);
  };
  switch (r.ask) {
    case Ask::nothing:
      return;
    case Ask::probabilities:
      kernels().softmax_share(r.probabilities, weights_->spec().vocabulary, q.top,
                              static_cast<float>(1.0 / q.sum));
      p.done = true;
      return;
    case Ask::top:
      for (std::size_t i = 0; i < q.best.size(); ++i) {
        r.ids[i] = q.best[i].token;
        r.probabilities[i] = static_cast<float>(std::exp(log_share(q.best[i].score)));
      }
      p.done = true;
      return;
    case Ask::score:
      r.scores[p.read] = log_share(q.target_score);
      p.answered = true;
      if (r.peek && p.read + 1 == r.count) p.done = true;
      return;
    case Ask::sample:
      p.drawn_token = r.ids[p.drawn] = draw(r, p, row);
      ++p.drawn;
      p.answered = true;
      return;
  }
}

std::uint32_t Engine::draw(const SessionRequest& r, const Progress& p, std::size_t row) {
  const HeadQuestion& q = questions_[row];
  const double share = uniform01(r.seed, 0, r.position + p.drawn);
  if (q.keep == 0) {
    const bool projects = weights_->spec().recurrent_layers() < weights_->layers().size();
    return head_.draw(projects ? projected_.data() : top_.data(), q, row, share);
  }
  if (q.best.empty()) return 0;
  weights_of_best_.clear();
  double total = 0.0;
  for (const Candidate& c : q.best) {
    const double below = static_cast<double>(c.score) - static_cast<double>(q.best[0].score);
    weights_of_best_.push_back(q.keep == 1 ? 1.0 : std::exp(below / r.temperature));
    total += weights_of_best_.back();
  }
  double left = share * total;
  for (std::size_t i = 0; i < q.best.size(); ++i) {
    left -= weights_of_best_[i];
    if (left < 0.0) return q.best[i].token;
  }
  return q.best[0].token;
}

}  // namespace timernn
