// Runs requests of many sessions together: the tokens that they read go through each layer as one product,
// and so do the scores that they ask for. A session's result has the same bits whatever else is in its batch.
// One engine runs one batch at a time; several share the weights. Refuses to do: queues, and keeping states,
// which come and go with the request.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "head.h"
#include "team.h"
#include "weights.h"

namespace timernn {

enum class Ask : std::uint8_t {
  nothing,        ///< read the tokens
  probabilities,  ///< then the probabilities of the next token
  top,            ///< then the k most likely ones, most likely first, ties by number
  score,          ///< log P of each token in turn, in nats, before it is read
  sample          ///< read the tokens, then draw `length` more, each of which is read
};

struct SessionRequest {
  float* state;  ///< state_floats(spec, 1): in and out; worth nothing where a score is not finite
  const std::uint32_t* tokens;  ///< all below the vocabulary's size
  std::size_t count;
  Ask ask = Ask::nothing;
  bool peek = false;                     ///< score: the last token is not read
  std::size_t k = 0;                     ///< top: how many; sample: among how many, 0 = all
  std::size_t length = 0;                ///< sample
  double temperature = 1.0;              ///< sample; what is below 1e-4 takes the most likely
  std::uint64_t seed = 0, position = 0;  ///< sample: the draws are addressed by (seed, position + i)
  std::size_t excluded = kNoToken;       ///< sample: this one never
  float* probabilities = nullptr;        ///< V, or k for top
  std::uint32_t* ids = nullptr;          ///< k for top, length for sample
  double* scores = nullptr;              ///< count, for score
  bool finite = true;                    ///< out: whether all scores were, and the state is
};

class Engine {
 public:
  Engine(std::shared_ptr<const PredictorWeights> weights, std::size_t rows, std::size_t threads);

  std::size_t rows() const { return rows_; }
  const PredictorWeights& weights() const { return *weights_; }
  /// At most rows() requests.
  void run(SessionRequest* requests, std::size_t count);

 private:
  /// How far a request is.
  struct Progress {
    std::size_t read = 0, drawn = 0;
    bool answered = false;  ///< of the next token the score is known, or it is drawn: now it is read
    bool done = false;
    std::uint32_t drawn_token = 0;
  };

  static bool asks(const SessionRequest& r, const Progress& p);
  void feed(SessionRequest* requests);
  void feed_share(std::size_t n, const Share& share);
  void ask(SessionRequest* requests);
  void project(std::size_t n, const Share& share);
  void question(const SessionRequest& r, const Progress& p, HeadQuestion& q) const;
  void accept(SessionRequest& r, Progress& p, std::size_t row);
  std::uint32_t draw(const SessionRequest& r, const Progress& p, std::size_t row);
  CellStep cell_step(std::size_t layer, std::size_t n, float* state, const float* x, std::size_t rank);

  std::shared_ptr<const PredictorWeights> weights_;
  std::size_t rows_, scratch_floats_ = 0;
  Team team_;
  Head head_;
  Buffer x_, state_, work_, shared_, scratch_, top_, projected_;
  std::vector<Progress> progress_;
  std::vector<std::size_t> active_;
  std::vector<HeadQuestion> questions_;
  std::vector<double> weights_of_best_;
};

}  // namespace timernn
