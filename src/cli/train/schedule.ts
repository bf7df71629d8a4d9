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

/**
 * The base that goes on with a run after some of its epochs, where it has to start afresh. Exact but for a cosine, of
 * which a new one starts at that height.
 *
 * @param latest - the step size of the latest report; what a plateau has led to cannot be known otherwise
 */
export function nextRate(flags: TrainFlags, epochsDone: number, latest: number | undefined): number {
  const base = flags.learningRate ?? optimizerDefaults(flags.optimizer ?? 'sgd').learningRate;
  const schedule = scheduleOf(flags);
  if (schedule === undefined) return base;
  if (schedule.kind === 'exponential') return base * epochFactor(schedule, epochsDone);
  if (schedule.kind === 'cosine') return base * 0.5 * (1 + Math.cos((Math.PI * epochsDone) / flags.epochs));
  return epochsDone === 0 ? base : (latest ?? base);
}
