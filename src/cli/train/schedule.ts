/** The schedule of `timernn train`: its kinds, what `--decay` means in each, the step size an interrupted run was at. */
import { optimizerDefaults } from '../../train/optimizer-options.js';
import { epochFactor } from '../../train/schedules.js';
import type { ScheduleOptions } from '../../train/types.js';
import type { TrainFlags } from './flags.js';

/** Those whose numbers a flag or two can say; `step` comes with the library, or a recipe. */
export const SCHEDULES = ['exponential', 'plateau', 'cosine', 'constant'] as const;

export type ScheduleName = (typeof SCHEDULES)[number];

type ScheduleFlags = Pick<TrainFlags, 'schedule' | 'decay' | 'optimizer' | 'averageFrom'>;

/** Whether the parameters are averaged: `asgd` does unasked. */
export const averages = ({ optimizer, averageFrom }: Pick<TrainFlags, 'optimizer' | 'averageFrom'>): boolean =>
  optimizer === 'asgd' || averageFrom !== undefined;

/** Undefined where the step size stays as it is. With an average a plateau does not go back, as the library wants it. */
export function scheduleOf(flags: ScheduleFlags): ScheduleOptions | undefined {
  const { schedule: kind = 'exponential', decay } = flags;
  if (kind === 'constant') return undefined;
  if (kind === 'cosine') return { kind };
  if (kind === 'plateau') return { kind, factor: decay ?? 0.25, restore: !averages(flags) };
  const factor = decay ?? 0.9;
  return factor < 1 ? { kind, factor } : undefined;
}

/** How often a plateau has lowered the step size: once after each epoch that was not better than all before it. */
function loweredBy(heldOutLosses: readonly number[]): number {
  let best = Number.POSITIVE_INFINITY;
  let times = 0;
  for (const loss of heldOutLosses) {
    if (loss >= best) times++;
    best = Math.min(best, loss);
  }
  return times;
}

/**
 * The learning rate that goes on after some epochs of a run that has to start afresh, so that the schedule is at the height
 * that it had. A cosine is a new one from there; a plateau does not know how good the best epoch was.
 *
 * @param heldOutLosses - of the epochs that are done
 */
export function nextRate(flags: TrainFlags, epochsDone: number, heldOutLosses: readonly number[]): number {
  const base = flags.learningRate ?? optimizerDefaults(flags.optimizer ?? 'sgd').learningRate;
  const schedule = scheduleOf(flags);
  let factor = 1;
  if (schedule?.kind === 'exponential') factor = epochFactor(schedule, epochsDone);
  else if (schedule?.kind === 'plateau') factor = schedule.factor ** loweredBy(heldOutLosses);
  else if (schedule?.kind === 'cosine') factor = 0.5 * (1 + Math.cos((Math.PI * epochsDone) / flags.epochs));
  return Math.max(base * factor, Number.MIN_VALUE);
}
