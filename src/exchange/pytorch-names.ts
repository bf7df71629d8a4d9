/**
 * Names that a language model's tensors have in PyTorch. An `encoder` (nn.Embedding), an `rnn` (nn.RNN, nn.LSTM or nn.GRU) and a
 * `decoder` (nn.Linear), as in PyTorch's own word_language_model; where layers differ, `rnns.0`, `rnns.1`, … of one layer each,
 * as in AWD-LSTM's code. Refuses to do: shapes.
 */
import type { LayerOptions } from '../models/types.js';

/** Names of the tables beside the recurrent layers. `projection` is an nn.Linear without a bias. */
export const NAMES = {
  encoder: 'encoder.weight',
  decoder: 'decoder.weight',
  bias: 'decoder.bias',
  projection: 'projection.weight',
} as const;

/** Names of one layer's tensors. */
export interface LayerNames {
  /** G·H×D. */
  inputWeight: string;
  /** G·H×H. */
  recurrentWeight: string;
  /** G·H each. */
  inputBias: string;
  recurrentBias: string;
}

function named(module: string, layer: number): LayerNames {
  const name = (kind: string) => `${module}.${kind}_l${layer}`;
  return {
    inputWeight: name('weight_ih'),
    recurrentWeight: name('weight_hh'),
    inputBias: name('bias_ih'),
    recurrentBias: name('bias_hh'),
  };
}

/** A layer of the one module `rnn`, or of a module of its own. */
export function layerNames(shared: boolean, layer: number): LayerNames {
  return shared ? named('rnn', layer) : named(`rnns.${layer}`, 0);
}

/** Whether one module of PyTorch can be all layers: same cell, same activation, same size. */
export function oneModule(layers: readonly LayerOptions[]): boolean {
  const kind = (layer: LayerOptions) => `${layer.cell} ${layer.size} ${'activation' in layer ? layer.activation : ''}`;
  return layers.every((layer) => kind(layer) === kind(layers[0]!));
}
