/** Small corpora and models, and a model's weights as the outside world can see them: through a saved file. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  Corpus,
  LanguageModel,
  type LanguageModelOptions,
  type LayerOptions,
  type TimeRNNError,
  type TrainOptions,
  type TrainProgress,
} from 'timernn';
import { readSafetensors } from '#src/checkpoint/safetensors.js';
import { nativeCell } from '#src/models/spec.js';
import { randomIntegers } from '../../helpers/compare.js';
import { CELLS, type Cell, type ModelTensors, modelForward } from '../../helpers/reference.js';

/** Words of a text that looks like one: a small vocabulary, long and short lines. */
const WORDS = 'the whale sea ship a of and to white captain said great old man boat upon in his long.'.split(' ');

/** A text of random words, the same for the same seed. */
export function randomText(words: number, seed = 1): string {
  const picks = randomIntegers(words, WORDS.length, seed);
  return picks.map((pick, i) => WORDS[pick]! + (i % 11 === 10 ? '\n' : ' ')).join('');
}

/** A corpus of exactly `length` characters. */
export function charCorpus(length: number, seed = 1): Corpus {
  return Corpus.fromText(randomText(length, seed).slice(0, length), { unit: 'char' });
}

export interface Shape {
  embedding?: number;
  sizes?: readonly number[];
  /** Instead of `sizes`, which makes plain RNN layers. */
  layers?: readonly LayerOptions[];
  seed?: number;
  /** Tied weights and noise. */
  more?: Pick<
    LanguageModelOptions,
    'tied' | 'inputDropout' | 'wordDropout' | 'dropoutKind' | 'initialRange' | 'initialMemory'
  >;
}

export function newModel(
  corpus: Corpus,
  { embedding = 8, sizes = [24], layers, seed = 1, more = {} }: Shape = {},
): LanguageModel {
  const all = layers ?? sizes.map((size) => ({ cell: 'rnn' as const, size }));
  return new LanguageModel({ vocabulary: corpus.vocabulary, embedding, layers: [...all], seed, ...more });
}

/** A model that came from a file: nobody can tell what its parameters were drawn with. */
export async function loadedModel(corpus: Corpus, shape: Shape): Promise<LanguageModel> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-loaded-'));
  try {
    const path = join(folder, 'model.safetensors');
    await newModel(corpus, shape).save(path);
    return await LanguageModel.load(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A small model that everything which training can add is added to. */
export const NOISY: Shape = {
  layers: [
    { cell: 'lstm', size: 20, dropout: 0.2, weightDrop: 0.3 },
    { cell: 'gru', size: 13, dropout: 0.1 },
  ],
  more: { tied: true, inputDropout: 0.2, wordDropout: 0.1 },
};

/** A folder of its own, gone after the test. */
export async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-models-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The weights by name, read back from a saved file. */
export async function weights(model: LanguageModel): Promise<Map<string, Float32Array>> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-weights-'));
  try {
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    return await fileWeights(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function fileWeights(path: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(path);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
}

/** SHA-256 over names and bits of all weights. */
export function digestOf(tensors: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!;
    hash.update(name).update(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

export async function digest(model: LanguageModel): Promise<string> {
  return digestOf(await weights(model));
}

/** Trains until a report satisfies `done`, or to the end; returns the last report. */
export async function train(
  model: LanguageModel,
  corpus: Corpus,
  options: TrainOptions,
  done: (progress: TrainProgress) => boolean = () => false,
): Promise<TrainProgress> {
  let last: TrainProgress | undefined;
  for await (const progress of model.train(corpus, options)) {
    last = progress;
    if (done(progress)) break;
  }
  return last!;
}

/** The weights in double precision. */
export async function doubles(model: LanguageModel): Promise<ModelTensors> {
  return new Map([...(await weights(model))].map(([name, values]) => [name, Float64Array.from(values)]));
}

/** Sum of −log P(tokens[i] | tokens before it) in nats over `steps` predictions from `start` on, from an empty state. */
export function referenceLoss(
  model: LanguageModel,
  tensors: ModelTensors,
  tokens: ArrayLike<number>,
  start = 0,
  steps = tokens.length - 1 - start,
): number {
  const { input, layers } = model.spec;
  const hidden = layers.map(({ size }) => size);
  const cells = layers.map((layer) => nativeCell(layer) as Cell);
  const sizes = { V: input.vocabulary, D: input.embedding, hidden, cells };
  const state = new Float64Array(layers.reduce((sum, { size }, l) => sum + CELLS[cells[l]!].states * size, 0));
  return modelForward(sizes, tensors, state, { tokens, starts: [start], steps }).lossSum;
}

/** All pieces, joined. */
export async function joined(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

export const isCode = (code: TimeRNNError['code'], message?: RegExp) => ({
  name: 'TimeRNNError',
  code,
  ...(message === undefined ? {} : { message }),
});
