/**
 * Where a run is: what a checkpoint keeps beside the arenas. Plain data that JSON carries to the bit.
 * Refuses to do: anything that depends on how windows are grouped into rounds, except what reports say of the last one.
 */
import type { RoundResult } from '../native-training.js';

/** What held-out losses have led to. */
export interface Judgement {
  /** Held-out loss of every epoch so far, nats a token. */
  losses: number[];
  /** The lowest of them, and in which epoch (from 0); null before the first. */
  best: { loss: number; epoch: number } | null;
  /** Epochs in a row that did not lower it. */
  epochsWithoutBest: number;
  /** What a plateau has multiplied the base by, and epochs in a row that count against it. */
  plateau: { factor: number; bad: number };
}

/** The round that ended last, for reports. */
export interface LastRound {
  lossSum: number;
  tokens: number;
  seconds: number;
  gradientNorm: number;
}

/** Where a run is. */
export interface RunState {
  /** Epochs that are over, i.e. the one under way, from 0. */
  epoch: number;
  /** Windows of it that are done. */
  window: number;
  /** Windows (updates) of the run that are done. */
  done: number;
  /** Predicted tokens, over the run and over this epoch; the summed loss of this epoch in nats. */
  tokens: number;
  epochTokens: number;
  epochLoss: number;
  /** Seconds of training, over the run and over this epoch. */
  seconds: number;
  epochSeconds: number;
  lastRound: LastRound;
  /** Updates of the run after which the average starts; null for not yet. */
  averageFrom: number | null;
  judgement: Judgement;
  /** True once the run has ended before its last epoch. */
  ended: boolean;
}

/** The state of a run that has not begun. */
export function initialState(): RunState {
  return {
    epoch: 0,
    window: 0,
    done: 0,
    tokens: 0,
    epochTokens: 0,
    epochLoss: 0,
    seconds: 0,
    epochSeconds: 0,
    lastRound: { lossSum: 0, tokens: 0, seconds: 0, gradientNorm: 0 },
    averageFrom: null,
    judgement: { losses: [], best: null, epochsWithoutBest: 0, plateau: { factor: 1, bad: 0 } },
    ended: false,
  };
}

/** Counts a round in. */
export function addRound(state: RunState, result: RoundResult, seconds: number): void {
  const { windows, tokens, lossSum, lossTotal, gradientNorm } = result;
  state.window += windows;
  state.done += windows;
  state.tokens += tokens;
  state.epochTokens += tokens;
  state.epochLoss = lossTotal;
  state.seconds += seconds;
  state.epochSeconds += seconds;
  state.lastRound = { lossSum, tokens, seconds, gradientNorm };
}

/** Counts an epoch out. */
export function endEpoch(state: RunState): void {
  state.epoch++;
  state.window = 0;
  state.epochTokens = 0;
  state.epochLoss = 0;
  state.epochSeconds = 0;
}
