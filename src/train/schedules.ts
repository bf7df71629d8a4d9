/**
 * Step sizes: what a schedule makes of the base, window by window. Pure functions of the options, the epoch and what the
 * held-out losses have led to; never of rounds or workers. Refuses to do: measuring.
 */
import type { ResolvedSchedule } from './schedule-options.js';

/** What a schedule multiplies the base by in an epoch (from 0), where that follows from the epoch alone. */
export function epochFactor(schedule: ResolvedSchedule, epoch: number): number {
  if (schedule.kind === 'exponential') return schedule.factor ** epoch;
  if (schedule.kind !== 'step' || epoch < schedule.from) return 1;
  return schedule.factor ** (Math.floor((epoch - schedule.from) / schedule.every) + 1);
}

/** An epoch's windows, and where in the run they are. */
export interface RatePlan {
  /** Base of the epoch, `epochFactor` and what a plateau has led to in it. */
  base: number;
  schedule: ResolvedSchedule;
  warmup: number;
  /** This epoch, from 0, of how many. */
  epoch: number;
  epochs: number;
  /** Windows of the run before this epoch. */
  done: number;
  /** Window w covers steps [edges[w], edges[w + 1]) of `steps`. */
  edges: Uint32Array;
  windows: number;
  steps: number;
  /** Where lengths are drawn: the one whose step size is neither raised nor lowered. Else undefined. */
  usualSteps: number | undefined;
}

/**
 * The step size of window w of the epoch, whatever its length: the base, half a cosine over the steps of the whole run, a
 * linear rise over the first `warmup` windows (the first of them has 1/warmup). What reports show.
 */
export function rateAt(plan: Omit<RatePlan, 'windows' | 'usualSteps'>, w: number): number {
  const { base, schedule, warmup, epoch, epochs, done, edges, steps } = plan;
  let rate = base;
  if (schedule.kind === 'cosine') {
    const progress = (epoch * steps + edges[w]!) / (epochs * steps);
    rate = schedule.minimum + (base - schedule.minimum) * 0.5 * (1 + Math.cos(Math.PI * progress));
  }
  return done + w + 1 < warmup ? rate * ((done + w + 1) / warmup) : rate;
}

/** Fills `rates` with the step size of each window: `rateAt`, in proportion to a drawn window's length. */
export function fillRates(rates: Float64Array, plan: RatePlan): void {
  const { edges, windows, usualSteps } = plan;
  for (let w = 0; w < windows; w++) {
    let rate = rateAt(plan, w);
    if (usualSteps !== undefined) rate *= (edges[w + 1]! - edges[w]!) / usualSteps;
    rates[w] = rate;
  }
  rates.fill(0, windows);
}
