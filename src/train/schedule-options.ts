/** Checks and defaults of `schedule`. Refuses to do: a step size (see `schedules.ts`). */
import { expectInteger } from '../errors.js';
import { checkNames, expectBoolean, expectShare } from '../options.js';
import { expectPositive, expectRate, LARGEST_FLOAT, optionError } from './checks.js';

/** A schedule with every default filled in. */
export type ResolvedSchedule =
  | { kind: 'constant' }
  | { kind: 'step'; factor: number; every: number; from: number }
  | { kind: 'exponential'; factor: number }
  | { kind: 'plateau'; factor: number; patience: number; threshold: number; restore: boolean; minimum: number }
  | { kind: 'cosine'; minimum: number };

type Given = Record<string, unknown>;
const factorOf = ({ factor }: Given): number => expectPositive('schedule.factor', factor, 1);
const minimumOf = ({ minimum }: Given): number => expectRate('schedule.minimum', minimum ?? 0, LARGEST_FLOAT);

const KINDS: Record<ResolvedSchedule['kind'], { names: string[]; resolve: (given: Given) => ResolvedSchedule }> = {
  constant: { names: [], resolve: () => ({ kind: 'constant' }) },
  step: {
    names: ['factor', 'every', 'from'],
    resolve: (given) => ({
      kind: 'step',
      factor: factorOf(given),
      every: expectInteger('schedule.every', given.every ?? 1),
      from: expectInteger('schedule.from', given.from ?? 1),
    }),
  },
  exponential: { names: ['factor'], resolve: (given) => ({ kind: 'exponential', factor: factorOf(given) }) },
  plateau: {
    names: ['factor', 'patience', 'threshold', 'restore', 'minimum'],
    resolve: (given) => {
      const factor = factorOf(given);
      // Without noise the same epoch, from the same parameters at the same step size, would follow again and again.
      if (factor === 1) throw optionError('schedule.factor', 'a number below 1 with kind plateau', factor);
      return {
        kind: 'plateau',
        factor,
        patience: expectInteger('schedule.patience', given.patience ?? 1),
        threshold: expectShare('schedule.threshold', given.threshold ?? 0),
        restore: expectBoolean('schedule.restore', given.restore ?? true),
        minimum: minimumOf(given),
      };
    },
  },
  cosine: { names: ['minimum'], resolve: (given) => ({ kind: 'cosine', minimum: minimumOf(given) }) },
};

/** @throws ERR_TIMERNN_OPTION naming the field, what was expected and what came */
export function resolveSchedule(given: unknown): ResolvedSchedule {
  if (given === undefined) return { kind: 'constant' };
  if (given === null || typeof given !== 'object') throw optionError('schedule', 'an object with a kind', given);
  const { kind } = given as { kind?: unknown };
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) {
    throw optionError('schedule.kind', `one of ${Object.keys(KINDS).join(', ')}`, kind);
  }
  const { names, resolve } = KINDS[kind as ResolvedSchedule['kind']];
  checkNames(given, ['kind', ...names], `schedule ${kind}`);
  return resolve(given as Given);
}
