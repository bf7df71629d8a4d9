/**
 * A model as PyTorch's modules would save it: weights transposed, the one bias split in two, names of PyTorch.
 * Refuses to do: cells that PyTorch lacks.
 */
import { setImmediate } from 'node:timers/promises';
import type { TensorInput } from '../checkpoint/safetensors.js';
import { writeSafetensors } from '../checkpoint/safetensors.js';
import { TimeRNNError } from '../errors.js';
import { viewsOf } from '../memory/arena.js';
import type { LanguageModel } from '../models/language-model.js';
import type { ModelParts } from '../models/model-file.js';
import type { ModelSpec } from '../models/types.js';
import { filePath } from '../options.js';
import { expectModel } from './checks.js';
import { transposed } from './matrix.js';
import { layerNames, NAMES, oneModule } from './pytorch-names.js';

/** `__metadata__` of an exported file: who wrote it, in which version. Files of others have neither. */
export const PRODUCER = 'timernn.pytorch';
export const PRODUCER_VERSION = '1';

/** @throws ERR_TIMERNN_SPEC where PyTorch has no such cell */
function expectExpressible({ layers }: ModelSpec): void {
  const at = layers.findIndex((layer) => layer.cell === 'gru' && layer.resetAfter === false);
  if (at < 0) return;
  throw new TimeRNNError(
    'ERR_TIMERNN_SPEC',
    `Expected a model of cells that PyTorch has, got a gru with resetAfter false as layers[${at}]: nn.GRU resets after the ` +
      'recurrent product, and weights of one form do not fit the other (ONNX takes both)',
  );
}

/** The tensors of one layer. The recurrent bias is zero but where the cell keeps a part of it apart. */
function layerTensors(
  { layers, input }: ModelSpec,
  l: number,
  view: (name: string) => Float32Array,
  shared: boolean,
): TensorInput[] {
  const H = layers[l]!.size;
  const D = l === 0 ? input.embedding : layers[l - 1]!.size;
  const names = layerNames(shared, l);
  const own = (name: string) => view(`layers.${l}.${name}`);
  const b = own('b');
  const columns = b.length;
  const recurrentBias = new Float32Array(columns);
  if (layers[l]!.cell === 'gru') recurrentBias.set(own('bn'), 2 * H);
  return [
    { name: names.inputWeight, shape: [columns, D], data: transposed(own('Wx'), D, columns) },
    { name: names.recurrentWeight, shape: [columns, H], data: transposed(own('Wh'), H, columns) },
    { name: names.inputBias, shape: [columns], data: b },
    { name: names.recurrentBias, shape: [columns], data: recurrentBias },
  ];
}

/** Everything between the last layer and the scores. */
function decoderTensors({ spec, vocabulary }: ModelParts, view: (name: string) => Float32Array): TensorInput[] {
  const [V, D, H] = [vocabulary.size, spec.input.embedding, spec.layers.at(-1)!.size];
  const bias: TensorInput = { name: NAMES.bias, shape: [V], data: view('output.b') };
  if (!spec.output.tied) {
    return [{ name: NAMES.decoder, shape: [V, H], data: transposed(view('output.W'), H, V) }, bias];
  }
  const decoder: TensorInput = { name: NAMES.decoder, shape: [V, D], data: view('embedding.W') };
  if (D === H) return [decoder, bias];
  const projection = transposed(view('output.projection'), H, D);
  return [{ name: NAMES.projection, shape: [D, H], data: projection }, decoder, bias];
}

/**
 * Writes a model with PyTorch's names and layouts.
 *
 * @throws ERR_TIMERNN_SPEC, ERR_TIMERNN_FILE
 */
export async function writePyTorch(path: string, parts: ModelParts): Promise<void> {
  const { spec, vocabulary, params, layout } = parts;
  expectExpressible(spec);
  const views = viewsOf(params, layout);
  const view = (name: string) => views.get(name)!;
  const shared = oneModule(spec.layers);
  const shape = [vocabulary.size, spec.input.embedding];
  const tensors: TensorInput[] = [{ name: NAMES.encoder, shape, data: view('embedding.W') }];
  for (const l of spec.layers.keys()) {
    tensors.push(...layerTensors(spec, l, view, shared));
    // Transposing takes a while for large layers: the event loop has a turn after each.
    await setImmediate();
  }
  tensors.push(...decoderTensors(parts, view));
  await writeSafetensors(path, tensors, {
    // The key that PyTorch's own tools look for.
    format: 'pt',
    producer: PRODUCER,
    version: PRODUCER_VERSION,
    spec: JSON.stringify(spec),
    vocabulary: JSON.stringify(vocabulary),
    vocabularyHash: vocabulary.hash,
  });
}

/**
 * Writes a model as a safetensors file with PyTorch's names and layouts, whole or not at all. A loader of ten lines is in
 * `docs/exchange.md`. The architecture and the vocabulary are in the file's metadata, so {@link importPyTorch} needs nothing else
 * to make the same model of it.
 *
 * @param path - the name of a file, or its `file:` URL
 * @throws ERR_TIMERNN_OPTION; ERR_TIMERNN_SPEC for a GRU with `resetAfter: false`, which PyTorch lacks; ERR_TIMERNN_FILE
 * @example
 * ```ts
 * import { exportPyTorch, importPyTorch, LanguageModel, Vocabulary } from 'timernn';
 * const vocabulary = Vocabulary.fromText('the whale', { unit: 'char' });
 * const model = new LanguageModel({ vocabulary, embedding: 8, layers: [{ cell: 'gru', size: 16 }] });
 * await exportPyTorch(model, 'whale-pytorch.safetensors');
 * console.log((await importPyTorch('whale-pytorch.safetensors')).spec.layers); // [ { cell: 'gru', size: 16 } ]
 * ```
 */
export async function exportPyTorch(model: LanguageModel, path: string | URL): Promise<void> {
  const file = filePath(path);
  await expectModel(model).readParts((parts) => writePyTorch(file, parts));
}
