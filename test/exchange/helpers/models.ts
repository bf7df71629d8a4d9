/** Small models of every form, with weights that differ from those of a fresh one: biases are not zero. */
import { LanguageModel, type LayerOptions, Vocabulary } from 'timernn';
import { nativeCell } from '#src/models/spec.js';
import { randomIntegers } from '../../helpers/compare.js';
import type { Window } from './logits.js';

/** Layers of every cell in one or two layers. */
export const CELL_VARIANTS: readonly LayerOptions[] = [
  { cell: 'rnn', size: 24 },
  { cell: 'rnn', size: 24, activation: 'relu' },
  { cell: 'lstm', size: 24 },
  { cell: 'gru', size: 24 },
  { cell: 'gru', size: 24, resetAfter: false },
];

/** PyTorch has all but one. */
export const PYTORCH_VARIANTS = CELL_VARIANTS.filter((layer) => nativeCell(layer) !== 'gru-reset-before');

/** Stacks that one module of PyTorch cannot be. */
export const MIXED: LayerOptions[] = [
  { cell: 'lstm', size: 17, dropout: 0.25, weightDrop: 0.125 },
  { cell: 'gru', size: 12 },
  { cell: 'rnn', size: 9, activation: 'relu' },
];

/** Drawn from ± 0.5, so that gates leave the middle of their range and no bias is zero. */
export function randomModel(
  layers: readonly LayerOptions[],
  { V = 31, D = 10, seed = 1, tied = false }: { V?: number; D?: number; seed?: number; tied?: boolean } = {},
): LanguageModel {
  const vocabulary = Vocabulary.ofSize(V);
  return new LanguageModel({ vocabulary, embedding: D, layers, tied, seed, initialRange: 0.5 });
}

/** Random tokens of N texts of T steps. */
export function randomWindow(model: LanguageModel, T: number, N: number, seed = 1): Window {
  return { tokens: randomIntegers(T * N, model.spec.input.vocabulary, seed), T, N };
}

/** A few words for a stack. */
export const nameOf = (layers: readonly LayerOptions[]): string => layers.map(nativeCell).join(' → ');
