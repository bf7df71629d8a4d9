/**
 * What a held-out loss decides at the end of an epoch: which parameters are best, when averaging starts, when the step
 * size falls, when the run ends. Pure functions of the options and the losses so far.
 * Refuses to do: measuring, and moving parameters.
 */
import type { AverageFrom } from './optimizer-options.js';
import type { ResolvedSchedule } from './schedule-options.js';
import type { RunState } from './state.js';

/** What follows from a held-out loss. */
export interface Verdict {
  /** No epoch before was better. */
  best: boolean;
  /** Training goes on from the best parameters. */
  restore: boolean;
}

/** What the losses are judged by. */
export interface JudgeRules {
  schedule: ResolvedSchedule;
  /** Where the schedule starts. */
  learningRate: number;
  averageFrom: AverageFrom | undefined;
  /** Epochs in a row without a better loss that end the run. */
  patience: number;
}

/**
 * The non-monotonic trigger: whether the loss of check t is above the lowest of the checks up to t − n, where there is
 * one (Merity et al. 2017, algorithm 1, arXiv:1708.02182).
 *
 * @param losses - of the checks before
 */
export function triggersAverage(losses: readonly number[], loss: number, patience: number): boolean {
  return losses.length > patience && loss > Math.min(...losses.slice(0, losses.length - patience));
}

/** Lowers the step size after enough bad epochs. Returns whether it did. */
function judgePlateau(state: RunState, rules: JudgeRules, loss: number): boolean {
  const { schedule, learningRate } = rules;
  if (schedule.kind !== 'plateau') return false;
  const { best, plateau } = state.judgement;
  const better = best === null || loss < best.loss * (1 - schedule.threshold);
  plateau.bad = better ? 0 : plateau.bad + 1;
  if (plateau.bad < schedule.patience) return false;
  plateau.bad = 0;
  plateau.factor *= schedule.factor;
  if (learningRate * plateau.factor < schedule.minimum) state.ended = true;
  return true;
}

/** Judges the loss of the epoch that has just ended, and writes what follows into `state`. */
export function judge(state: RunState, rules: JudgeRules, loss: number): Verdict {
  const { judgement } = state;
  const lowered = judgePlateau(state, rules, loss);
  const { averageFrom, patience, schedule } = rules;
  // Only while nothing is averaged: from then on the losses are those of the average.
  if (averageFrom !== undefined && 'patience' in averageFrom && state.averageFrom === null) {
    if (triggersAverage(judgement.losses, loss, averageFrom.patience)) state.averageFrom = state.done;
  }
  const before = judgement.best?.loss ?? Number.POSITIVE_INFINITY;
  const best = loss <= before;
  judgement.epochsWithoutBest = loss < before ? 0 : judgement.epochsWithoutBest + 1;
  if (best) judgement.best = { loss, epoch: state.epoch };
  judgement.losses.push(loss);
  if (judgement.epochsWithoutBest >= patience) state.ended = true;
  return { best, restore: lowered && !best && schedule.kind === 'plateau' && schedule.restore };
}
