/**
 * Parameters out of PyTorch's tensors: 32-bit floats whatever they were, matrices transposed, two biases made one.
 * Refuses to do: weights that are not finite; tables that should be equal and are not. Shapes have been checked before.
 */
import { setImmediate } from 'node:timers/promises';
import { floatsOfBrain, floatsOfHalf } from '../checkpoint/half.js';
import type { LoadedTensor } from '../checkpoint/safetensors.js';
import { wrongFile } from '../checkpoint/wrong-file.js';
import { viewsOf } from '../memory/arena.js';
import type { ModelParts } from '../models/model-file.js';
import { transposed } from './matrix.js';
import type { Found, FoundLayer } from './pytorch-architecture.js';
import { NAMES } from './pytorch-names.js';

/** A tensor's numbers by its name, checked and as 32-bit floats. */
type Source = (name: string) => Float32Array;
type Destination = (name: string) => Float32Array;

function floatsOf({ dtype, data }: LoadedTensor): Float32Array {
  if (dtype === 'F16') return floatsOfHalf(data as Uint16Array);
  if (dtype === 'BF16') return floatsOfBrain(data as Uint16Array);
  return dtype === 'F32' ? (data as Float32Array) : new Float32Array(data as Float64Array);
}

/** A loop, since it runs over every weight: a callback for each takes ten times as long. */
function firstNotFinite(floats: Float32Array): number {
  for (let i = 0; i < floats.length; i++) if (!Number.isFinite(floats[i])) return i;
  return -1;
}

/** @throws ERR_TIMERNN_FORMAT for the first number that is not finite, also one too large for 32 bits */
function expectFinite(path: string, name: string, floats: Float32Array, original: LoadedTensor['data']): Float32Array {
  const bad = firstNotFinite(floats);
  if (bad < 0) return floats;
  const got = original instanceof Uint16Array ? floats[bad] : original[bad];
  throw wrongFile(path, `weights in ${name} that are finite as 32-bit floats`, `${got} at index ${bad}`);
}

/** b = b_ih + b_hh where the sum is all that counts. What is zero leaves the other as it is, to the sign of its zero. */
function fold(path: string, { names }: FoundLayer, to: Float32Array, source: Source, length: number): void {
  const [input, recurrent] = [source(names.inputBias), source(names.recurrentBias)];
  to.set(input);
  for (let i = 0; i < length; i++) if (recurrent[i] !== 0) to[i] = input[i]! + recurrent[i]!;
  expectFinite(path, `${names.inputBias} + ${names.recurrentBias}`, to, to);
}

function fillLayer(path: string, layer: FoundLayer, source: Source, to: Destination): void {
  const { cell, size: H, inputSize, names, biases } = layer;
  const b = to('b');
  const rows = b.length;
  transposed(source(names.inputWeight), rows, inputSize, to('Wx'));
  transposed(source(names.recurrentWeight), rows, H, to('Wh'));
  if (!biases) return;
  // The candidate of a GRU multiplies its recurrent bias by the reset gate: it stays apart.
  fold(path, layer, b, source, cell === 'gru' ? 2 * H : rows);
  if (cell === 'gru') to('bn').set(source(names.recurrentBias).subarray(2 * H));
}

/** @throws ERR_TIMERNN_FORMAT where the table of the scores is not that of the inputs */
function expectEqual(path: string, table: Float32Array, decoder: Float32Array): void {
  let at = 0;
  while (at < table.length && table[at] === decoder[at]) at++;
  if (at === table.length) return;
  throw wrongFile(
    path,
    `equal ${NAMES.encoder} and ${NAMES.decoder}, as the model is tied`,
    `${table[at]} and ${decoder[at]} at index ${at}; with tied false each keeps its own`,
  );
}

/**
 * Fills an arena that is all zero, a layer or table at a time, with a turn of the event loop after each.
 *
 * @throws ERR_TIMERNN_FORMAT
 */
export async function fillParameters(
  path: string,
  found: Found,
  tensors: ReadonlyMap<string, LoadedTensor>,
  { params, layout }: Pick<ModelParts, 'params' | 'layout'>,
): Promise<void> {
  const views = viewsOf(params, layout);
  const to: Destination = (name) => views.get(name)!;
  const source: Source = (name) => {
    const tensor = tensors.get(name)!;
    return expectFinite(path, name, floatsOf(tensor), tensor.data);
  };
  const { vocabulary, embedding, layers, tied, encoder, decoder, projection, decoderBias } = found;
  const last = layers.at(-1)!.size;
  const table = to('embedding.W');
  table.set(source(encoder));
  for (const [l, layer] of layers.entries()) {
    await setImmediate();
    fillLayer(path, layer, source, (name) => to(`layers.${l}.${name}`));
  }
  await setImmediate();
  if (projection) transposed(source(NAMES.projection), embedding, last, to('output.projection'));
  if (decoder !== undefined && tied) expectEqual(path, table, source(decoder));
  else if (decoder !== undefined) transposed(source(decoder), vocabulary, last, to('output.W'));
  if (decoderBias) to('output.b').set(source(NAMES.bias));
}
