/**
 * The architecture of a model from the names and shapes of its tensors in PyTorch: cells from the number of gate rows, sizes from
 * the rest. What tensors do not say (the activation of a plain RNN, whether weights are shared) comes from the caller.
 * Refuses to do: modules that timernn has no cell for; reading data.
 */
import type { TensorInfo } from '../checkpoint/safetensors.js';
import { wrongFile } from '../checkpoint/wrong-file.js';
import type { LayerOptions } from '../models/types.js';
import { type LayerNames, layerNames, NAMES } from './pytorch-names.js';
import { TensorSet } from './tensor-set.js';

/** A layer as the file has it. */
export interface FoundLayer {
  cell: LayerOptions['cell'];
  size: number;
  /** D of this layer. */
  inputSize: number;
  names: LayerNames;
  /** Modules may have been made with `bias=False`. */
  biases: boolean;
}

/** What a file of PyTorch holds. */
export interface Found {
  vocabulary: number;
  embedding: number;
  layers: FoundLayer[];
  tied: boolean;
  /** The table of the inputs, and that of the scores where the file has one of its own. */
  encoder: string;
  decoder: string | undefined;
  projection: boolean;
  decoderBias: boolean;
}

const CELL_OF_GATES = new Map<number, LayerOptions['cell']>([
  [1, 'rnn'],
  [3, 'gru'],
  [4, 'lstm'],
]);

const PARTS = 'tensors of an embedding (encoder), recurrent layers (rnn, or rnns.0, …) and an output layer (decoder)';

/** Modules that are recognised, to be refused by name. */
function refuseForeign(tensors: TensorSet): void {
  const reversed = tensors.find(/_reverse$/);
  if (reversed !== undefined) throw wrongFile(tensors.path, 'layers that read in one direction', reversed);
  const projected = tensors.find(/\.weight_hr_l\d+$/);
  if (projected !== undefined) throw wrongFile(tensors.path, 'an nn.LSTM without proj_size', projected);
}

function findBiases(tensors: TensorSet, { inputBias, recurrentBias }: LayerNames, rows: number): boolean {
  if (!tensors.has(inputBias) && !tensors.has(recurrentBias)) return false;
  tensors.expect(inputBias, [rows]);
  tensors.expect(recurrentBias, [rows]);
  return true;
}

function findLayer(tensors: TensorSet, names: LayerNames, inputSize: number): FoundLayer {
  const [rows, size] = tensors.matrix(names.recurrentWeight, 'G·H×H');
  const cell = CELL_OF_GATES.get(rows / size);
  if (cell === undefined) {
    const expected = `${names.recurrentWeight} as H×H (nn.RNN), 3·H×H (nn.GRU) or 4·H×H (nn.LSTM)`;
    throw wrongFile(tensors.path, expected, `${rows}×${size}`);
  }
  tensors.expect(names.inputWeight, [rows, inputSize]);
  return { cell, size, inputSize, names, biases: findBiases(tensors, names, rows) };
}

function findLayers(tensors: TensorSet, embedding: number): FoundLayer[] {
  const present = ({ inputWeight, recurrentWeight }: LayerNames) =>
    tensors.has(inputWeight) || tensors.has(recurrentWeight);
  const shared = present(layerNames(true, 0));
  if (!shared && !present(layerNames(false, 0))) {
    const expected = `a tensor ${layerNames(true, 0).inputWeight} or ${layerNames(false, 0).inputWeight}`;
    throw wrongFile(tensors.path, expected, 'neither');
  }
  const layers: FoundLayer[] = [];
  for (let names = layerNames(shared, 0); present(names); names = layerNames(shared, layers.length)) {
    layers.push(findLayer(tensors, names, layers.at(-1)?.size ?? embedding));
  }
  return layers;
}

/** Between the last layer and the scores of a tied model: a projection where sizes differ, and only there. */
function findProjection(tensors: TensorSet, embedding: number, last: number): boolean {
  if (embedding !== last) tensors.expect(NAMES.projection, [embedding, last]);
  else if (tensors.has(NAMES.projection)) {
    const expected = `no ${NAMES.projection} where the last layer's size is the embedding's (${embedding})`;
    throw wrongFile(tensors.path, expected, 'one');
  }
  return embedding !== last;
}

/**
 * Works out the architecture, and that every tensor has the shape it asks for.
 *
 * @param tied - whether the output layer's weights are the embedding's; one of the two tables may then be missing, as
 * `save_model` of PyTorch's safetensors leaves it out
 * @throws ERR_TIMERNN_FORMAT
 */
export function findArchitecture(
  path: string,
  infos: Iterable<readonly [string, Pick<TensorInfo, 'dtype' | 'shape'>]>,
  tied: boolean,
): Found {
  const tensors = new TensorSet(path, infos);
  refuseForeign(tensors);
  const lone = tied && !tensors.has(NAMES.encoder) && tensors.has(NAMES.decoder);
  const encoder = lone ? NAMES.decoder : NAMES.encoder;
  const decoder = tied && (lone || !tensors.has(NAMES.decoder)) ? undefined : NAMES.decoder;
  const [vocabulary, embedding] = tensors.matrix(encoder, 'V×D');
  const layers = findLayers(tensors, embedding);
  const last = layers.at(-1)!.size;
  if (!tied && tensors.has(NAMES.projection)) {
    throw wrongFile(path, `${NAMES.projection} only in a tied model`, 'one in a model that nobody called tied');
  }
  const projection = tied && findProjection(tensors, embedding, last);
  if (decoder !== undefined) tensors.expect(decoder, [vocabulary, tied ? embedding : last]);
  const decoderBias = tensors.has(NAMES.bias);
  if (decoderBias) tensors.expect(NAMES.bias, [vocabulary]);
  tensors.expectNothingLeft(PARTS);
  return { vocabulary, embedding, layers, tied, encoder, decoder, projection, decoderBias };
}
