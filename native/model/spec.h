// The model spec in native form, its tensor table, and its initialisation.
// Refuses to do: offsets. Where a tensor lies in an arena is decided in one place only, src/memory/.
#pragma once

#include <cstdint>
#include <vector>

#include "../cells/cell.h"

namespace timernn {

struct LayerSpec {
  const Cell* cell;
  std::size_t size;
};

struct ModelSpec {
  std::size_t vocabulary = 0, embedding = 0;
  std::vector<LayerSpec> layers;
  /// The output layer's weights are the embedding's, transposed. The last layer then has the embedding's
  /// size: where the recurrent ones have not, tie() puts a projection behind them.
  bool tied = false;

  std::size_t input_size(std::size_t layer) const { return layer == 0 ? embedding : layers[layer - 1].size; }
  std::size_t output_size() const { return layers.back().size; }
  /// Table index of the output layer's weights and bias, if `first` is the index behind the layers' tensors.
  std::size_t output_weight(std::size_t first) const { return tied ? 0 : first; }
  std::size_t output_bias(std::size_t first) const { return tied ? first : first + 1; }
  /// Layers that are not a projection.
  std::size_t recurrent_layers() const;
  void tie();
};

/// All tensors in arena order: embedding.W, layers.i.<cell's tensors>, output.W (where not tied; tied,
/// output.projection where there is one), output.b.
std::vector<TensorInfo> tensor_table(const ModelSpec& spec);
/// Floats of state for n rows: for each layer, states·n×H.
std::size_t state_floats(const ModelSpec& spec, std::size_t n);

/// Fills one tensor; the numbers are addressed by (seed, stream).
void initialise_tensor(float* out, const TensorInfo& info, std::uint64_t seed, std::uint64_t stream);
/// How a model starts otherwise than its cells say.
struct Start {
  double range = 0.0;  ///< if above 0, every tensor, biases too, is drawn from ±range
  /// If not below 0: tensors with Init::memory start as a fifth of what they else do, plus a diagonal that
  /// goes from 0 to this.
  double memory = -1.0;
};
/// Fills a whole arena; offsets in table order. Stream = position in the table.
void initialise(float* params, const std::vector<std::size_t>& offsets, const ModelSpec& spec,
                std::uint64_t seed, const Start& start = {});

}  // namespace timernn
