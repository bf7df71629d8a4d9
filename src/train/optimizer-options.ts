/**
 * Optimisers by name: their numbers, the defaults of those, and when averaging starts.
 * Refuses to do: a step (see `native/optim/`).
 */
import { expectInteger } from '../errors.js';
import type { NativeOptimizer } from '../native-training.js';
import { checkNames, expectShare } from '../options.js';
import { expectRate, LARGEST_FLOAT, optionError } from './checks.js';
import type { OptimizerName, OptimizerOptions } from './types.js';

/** Since when the parameters are averaged: a step of the run, or once `heldOut` has not got better for that many epochs. */
export type AverageFrom = { step: number } | { patience: number };

/** An optimiser with every default filled in. */
export interface ResolvedOptimizer {
  native: NativeOptimizer;
  /** Undefined where nothing is averaged. */
  averageFrom: AverageFrom | undefined;
}

type Numbers = Omit<NativeOptimizer, 'name' | 'weightDecay'>;
type Check = (name: string, value: unknown) => number;

const rate: Check = (name, value) => expectRate(name, value, LARGEST_FLOAT);
/** Below that it is 0 in float32 beside most squares, and 0/0 where a gradient was always 0. */
const SMALLEST_EPSILON = 1e-30;
const epsilon: Check = (name, value) => {
  if (typeof value === 'number' && value >= SMALLEST_EPSILON && value <= 1) return value;
  throw optionError(name, `a number from ${SMALLEST_EPSILON} to 1`, value);
};

interface Entry {
  /** Step size where nobody says. */
  learningRate: number;
  /** Weight decay where nobody says. */
  weightDecay?: number;
  numbers: Partial<Record<keyof Numbers, { value: number; check: Check }>>;
}

const MOMENTUM: Entry = { learningRate: 1, numbers: { momentum: { value: 0.9, check: expectShare } } };
const ADAM: Entry = {
  learningRate: 0.001,
  numbers: {
    beta1: { value: 0.9, check: expectShare },
    beta2: { value: 0.999, check: expectShare },
    epsilon: { value: 1e-8, check: epsilon },
  },
};

const ENTRIES: Record<OptimizerName, Entry> = {
  sgd: { learningRate: 1, numbers: {} },
  momentum: MOMENTUM,
  nesterov: MOMENTUM,
  adagrad: { learningRate: 0.01, numbers: { epsilon: { value: 1e-10, check: epsilon } } },
  rmsprop: {
    learningRate: 0.001,
    numbers: { smoothing: { value: 0.99, check: expectShare }, epsilon: { value: 1e-8, check: epsilon } },
  },
  adam: ADAM,
  adamw: { ...ADAM, weightDecay: 0.01 },
  asgd: { learningRate: 1, numbers: { lambda: { value: 0, check: rate }, power: { value: 0.75, check: rate } } },
};

/** Names of all optimisers. */
export const OPTIMIZERS = Object.keys(ENTRIES) as OptimizerName[];

/** Step size and weight decay where nobody says. */
export function optimizerDefaults(name: string): { learningRate: number; weightDecay: number } {
  const { learningRate, weightDecay = 0 } = ENTRIES[name as OptimizerName];
  return { learningRate, weightDecay };
}

/** Averaged SGD averages without being asked, the others where `averageFrom` says so. */
function resolveAverageFrom(given: OptimizerOptions, hasHeldOut: boolean): AverageFrom | undefined {
  if (given.name !== 'asgd' && given.averageFrom === undefined) {
    if (given.patience === undefined) return undefined;
    throw optionError('optimizer.patience', 'left out where averageFrom is', given.patience);
  }
  const { averageFrom: from = hasHeldOut ? 'non-monotonic' : 0, patience = 5 } = given;
  if (from !== 'non-monotonic') {
    if (given.patience !== undefined) {
      throw optionError('optimizer.patience', 'left out where averageFrom is a step', given.patience);
    }
    if (typeof from !== 'number') throw optionError('optimizer.averageFrom', 'an integer or "non-monotonic"', from);
    return { step: expectInteger('optimizer.averageFrom', from, 0, Number.MAX_SAFE_INTEGER) };
  }
  if (!hasHeldOut) {
    throw optionError('optimizer.averageFrom', 'a step where there is no heldOut', from, '; give heldOut');
  }
  return { patience: expectInteger('optimizer.patience', patience) };
}

/**
 * @param given - a name, or a name with its numbers
 * @throws ERR_TIMERNN_OPTION naming the number, what was expected and what came
 */
export function resolveOptimizer(given: unknown, hasHeldOut: boolean): ResolvedOptimizer {
  const name = typeof given === 'string' ? given : (given as { name?: unknown } | null)?.name;
  if (typeof name !== 'string' || !Object.hasOwn(ENTRIES, name)) {
    const where = typeof given === 'object' && given !== null ? 'optimizer.name' : 'optimizer';
    throw optionError(where, `one of ${OPTIMIZERS.join(', ')}`, where === 'optimizer' ? given : name);
  }
  const { numbers } = ENTRIES[name as OptimizerName];
  const own = typeof given === 'string' ? {} : (given as Record<string, unknown>);
  checkNames(own, ['name', 'averageFrom', 'patience', ...Object.keys(numbers)], `optimizer ${name}`);
  const native: NativeOptimizer = { name };
  for (const [key, { value, check }] of Object.entries(numbers)) {
    native[key as keyof Numbers] = check(`optimizer.${key}`, own[key] === undefined ? value : own[key]);
  }
  return { native, averageFrom: resolveAverageFrom({ ...own, name } as OptimizerOptions, hasHeldOut) };
}
