/**
 * The spec of an imported model: what its tensors show, and for the rest what the metadata of our own export or the caller says.
 * Refuses to do: guessing which is right where they contradict each other.
 */
import { isDeepStrictEqual } from 'node:util';
import { wrongFile } from '../checkpoint/wrong-file.js';
import { TimeRNNError } from '../errors.js';
import { parseSpec } from '../models/spec.js';
import type { LayerOptions, ModelSpec } from '../models/types.js';
import type { Found } from './pytorch-architecture.js';

/** What tensors can show of a spec. */
function visible({ input, layers }: Pick<ModelSpec, 'input' | 'layers'>) {
  const shown = layers.map((layer) => ({
    cell: layer.cell === 'gru' && layer.resetAfter === false ? 'gru that resets before' : layer.cell,
    size: layer.size,
  }));
  return { vocabulary: input.vocabulary, embedding: input.embedding, layers: shown };
}

function inWords({ vocabulary, embedding, layers }: ReturnType<typeof visible>): string {
  const cells = layers.map(({ cell, size }) => `${cell} ${size}`).join(' → ');
  return `${vocabulary} tokens → embedding ${embedding} → ${cells}`;
}

/** @throws ERR_TIMERNN_OPTION where the file's own spec has another one */
function expectActivation(path: string, said: ModelSpec, activation: 'tanh' | 'relu' | undefined): void {
  if (activation === undefined) return;
  const other = said.layers.find((layer) => layer.cell !== 'rnn' || (layer.activation ?? 'tanh') !== activation);
  if (other === undefined) return;
  const own = other.cell === 'rnn' ? (other.activation ?? 'tanh') : `a ${other.cell}, which has none to choose`;
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected activation to be left out, since ${path} says it itself (${own}), got "${activation}"`,
  );
}

function withActivation(layer: LayerOptions, activation: 'tanh' | 'relu' | undefined): LayerOptions {
  return layer.cell === 'rnn' && activation !== undefined ? { ...layer, activation } : layer;
}

/**
 * @param said - the spec in the file's metadata
 * @throws ERR_TIMERNN_FORMAT where `said` is that of another model; ERR_TIMERNN_SPEC for sizes out of range
 */
export function specOf(
  path: string,
  found: Found,
  said: ModelSpec | undefined,
  activation: 'tanh' | 'relu' | undefined,
): ModelSpec {
  const { vocabulary, embedding, tied } = found;
  const layers = found.layers.map(({ cell, size }): LayerOptions => ({ cell, size }));
  const input = { kind: 'tokens', vocabulary, embedding } as const;
  if (said !== undefined) {
    expectActivation(path, said, activation);
    const [got, expected] = [visible(said), visible({ input, layers })];
    if (!isDeepStrictEqual(got, expected)) {
      throw wrongFile(path, `a spec of its tensors in its metadata (${inWords(expected)})`, inWords(got));
    }
  }
  return parseSpec({
    ...said,
    input: said?.input ?? input,
    layers: (said?.layers ?? layers).map((layer) => withActivation(layer, activation)),
    output: { kind: 'softmax', ...(tied && { tied: true }) },
  });
}
