// Dropout masks from counter-based random numbers: a mask is a function of (seed, window of the run, place,
// stream, step, unit), so it is the same for any number of workers, and after a restart.
// Refuses to do: keeping a sequence, and the passes over activations (math/updates.inl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace timernn {

/// What training adds to a model. Rates lie in [0, 1).
struct Regularization {
  std::uint64_t seed = 0;
  double input = 0.0;           ///< of the embedded inputs
  double words = 0.0;           ///< of the vocabulary: whole rows of the embedding
  std::vector<double> layers;   ///< of each recurrent layer's outputs; empty: none
  std::vector<double> weights;  ///< of each recurrent layer's Wh; empty: none
  bool locked = false;          ///< one mask for all steps of a window; inputs and layers
  double activation = 0.0, temporal = 0.0;

  double layer(std::size_t l) const { return l < layers.size() ? layers[l] : 0.0; }
  double weight(std::size_t l) const { return l < weights.size() ? weights[l] : 0.0; }
  bool drops_weights() const;
};

/// Where a mask is used. Layer l has 2·l + kLayer and 2·l + kWeight.
enum DropoutPlace : std::uint32_t { kInputPlace = 1, kWordPlace = 2, kLayer = 3, kWeight = 4 };

/// One rate, as masks have it: a multiple of 2^−16, so that what stays is scaled without bias.
struct DropoutRate {
  std::uint32_t threshold;
  explicit DropoutRate(double rate);
  bool none() const { return threshold == 0; }
  float scale() const { return 65536.0f / static_cast<float>(65536u - threshold); }
};

struct MaskAddress {
  std::uint64_t seed;
  std::uint32_t place, window;
  std::uint32_t row;  ///< a stream for activations, 0 where there are none
};
/// keep[i] = 1 with probability 1 − rate, else 0, for units [first, first + n) of step `step`. `first` is a
/// multiple of 8.
void dropout_mask(std::uint8_t* keep, const MaskAddress& at, DropoutRate rate, std::size_t step,
                  std::size_t first, std::size_t n);

/// Dropout of a layer's outputs over one window, and the way back.
class Dropout {
 public:
  Dropout() = default;
  /// @param rows, steps  the most of a window
  Dropout(double rate, std::uint32_t place, std::size_t units, std::size_t rows, std::size_t steps,
          bool locked);

  bool none() const { return rate_.none(); }
  /// Masks of a window; `at.row` is the first row's stream.
  void draw(const MaskAddress& at, std::size_t rows, std::size_t steps);
  /// out = in where kept, scaled; rows·units numbers of each step. out may be in.
  void forward(float* out, const float* in) const;
  /// Of step t: rows·units; null where nothing drops out.
  const std::uint8_t* keep(std::size_t t) const;
  float scale() const { return rate_.scale(); }
  std::uint32_t place() const { return place_; }
  std::size_t bytes() const { return keep_.size(); }

 private:
  DropoutRate rate_{0.0};
  std::uint32_t place_ = 0;
  std::size_t units_ = 0, rows_ = 0, steps_ = 0;
  bool locked_ = false;
  std::vector<std::uint8_t> keep_;
};

/// The same as dropout_mask for one unit.
bool dropout_keeps(const MaskAddress& at, DropoutRate rate, std::size_t unit);

}  // namespace timernn
