/**
 * Logits of a model in double precision, from its weights as `save` writes them and the equations of `test/helpers/reference.ts`;
 * and what follows from logits, whoever computed them. Time first throughout: logits T×N×V, tokens T×N.
 */
import { Corpus, type LanguageModel } from 'timernn';
import { nativeCell } from '#src/models/spec.js';
import {
  affineForward,
  CELLS,
  type Cell,
  type CellTensors,
  cellForward,
  crossEntropy,
  embeddingForward,
  type ModelTensors,
} from '../../helpers/reference.js';
import { doubles } from '../../models/helpers/models.js';

/** Tokens of N texts side by side. */
export interface Window {
  /** T×N. */
  tokens: readonly number[];
  T: number;
  N: number;
}

/** A window cut out of a longer one. */
export function steps({ tokens, N }: Window, from: number, to: number): Window {
  return { tokens: tokens.slice(from * N, to * N), T: to - from, N };
}

/** T×N×size to N×T×size, and with T and N changed the other way. */
function swapped(values: Float64Array, T: number, N: number, size: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++)
      out.set(values.subarray((t * N + n) * size, (t * N + n + 1) * size), (n * T + t) * size);
  }
  return out;
}

function cellTensors(tensors: ModelTensors, l: number): CellTensors {
  const own = (name: string) => tensors.get(`layers.${l}.${name}`);
  const bn = own('bn');
  return { Wx: own('Wx')!, Wh: own('Wh')!, b: own('b')!, ...(bn === undefined ? {} : { bn }) };
}

/** hs·W + b, with W the embedding's table transposed where the model is tied, a projection before it where there is one. */
function scores(hs: Float64Array, tensors: ModelTensors, rows: number, H: number, D: number, V: number): Float64Array {
  const bias = tensors.get('output.b')!;
  const own = tensors.get('output.W');
  if (own !== undefined) return affineForward(hs, own, bias, rows, H, V);
  const projection = tensors.get('output.projection');
  const features = projection === undefined ? hs : affineForward(hs, projection, new Float64Array(D), rows, H, D);
  return affineForward(features, swapped(tensors.get('embedding.W')!, V, D, 1), bias, rows, D, V);
}

/** Logits T×N×V from empty states. */
export async function referenceLogits(model: LanguageModel, { tokens, T, N }: Window): Promise<Float64Array> {
  const { input, layers } = model.spec;
  const tensors = await doubles(model);
  let D = input.embedding;
  let xs = swapped(embeddingForward(tokens, tensors.get('embedding.W')!, D), T, N, D);
  for (const [l, layer] of layers.entries()) {
    const cell = nativeCell(layer) as Cell;
    const H = layer.size;
    const empty = new Float64Array(CELLS[cell].states * N * H);
    xs = cellForward(cell, xs, empty, cellTensors(tensors, l), { N, T, D, H }).hs;
    D = H;
  }
  return scores(swapped(xs, N, T, D), tensors, T * N, D, input.embedding, input.vocabulary);
}

/** The perplexity of text n under logits that somebody computed. */
export function perplexityOf(logits: ArrayLike<number>, { tokens, T, N }: Window, n: number): number {
  const V = logits.length / (T * N);
  const rows = new Float64Array((T - 1) * V);
  for (let t = 0; t + 1 < T; t++) {
    for (let v = 0; v < V; v++) rows[t * V + v] = logits[(t * N + n) * V + v]!;
  }
  const labels = Array.from({ length: T - 1 }, (_, t) => tokens[(t + 1) * N + n]!);
  const { sum, counted } = crossEntropy(rows, labels, V);
  return Math.exp(sum / counted);
}

/** The perplexity of text n as the model itself measures it. */
export function ownPerplexity(model: LanguageModel, { tokens, T, N }: Window, n: number): Promise<number> {
  const ids = Uint32Array.from({ length: T }, (_, t) => tokens[t * N + n]!);
  return model.perplexity(Corpus.fromTokens(ids, { vocabulary: model.vocabulary }));
}
