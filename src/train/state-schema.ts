/** Checks of a run's state as a checkpoint has it. Refuses to do: anything with arenas. */
import { z } from 'zod';
import { describe, TimeRNNError } from '../errors.js';
import type { AverageFrom } from './optimizer-options.js';
import type { RunState } from './state.js';

const count = z.int().min(0);
const amount = z.number().min(0);

const schema: z.ZodType<RunState> = z.strictObject({
  epoch: count,
  window: count,
  done: count,
  tokens: count,
  epochTokens: count,
  epochLoss: z.number(),
  seconds: amount,
  epochSeconds: amount,
  lastRound: z.strictObject({ lossSum: z.number(), tokens: count, seconds: amount, gradientNorm: amount }),
  averageFrom: count.nullable(),
  judgement: z.strictObject({
    losses: z.array(z.number()),
    best: z.strictObject({ loss: z.number(), epoch: count }).nullable(),
    epochsWithoutBest: count,
    plateau: z.strictObject({ factor: amount, bad: count }),
  }),
  ended: z.boolean(),
});

/** What a state has to fit, beyond its form. */
export interface StateBounds {
  /** Windows of an epoch, at most. */
  mostWindows: number;
  /** When the run averages; left out where it does not. */
  averageFrom?: AverageFrom | undefined;
}

/** What `averageFrom` of a state must be, in words; undefined where it is that. */
function otherAverage({ averageFrom, done }: RunState, asked: AverageFrom | undefined): string | undefined {
  if (asked === undefined) return averageFrom === null ? undefined : 'no average';
  if ('step' in asked) return averageFrom === asked.step ? undefined : `an average after update ${asked.step}`;
  return averageFrom === null || averageFrom <= done ? undefined : `an average after one of ${done} updates, or none`;
}

/** @throws ERR_TIMERNN_FORMAT naming the file and the field */
export function parseState(path: string, value: unknown, bounds: StateBounds): RunState {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const at = issue!.path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown> | null)?.[key], value);
    const keys = issue!.code === 'unrecognized_keys' ? issue!.keys : undefined;
    const got =
      keys !== undefined ? `a field ${describe(keys[0])}` : `${issue!.path.join('.')} ${describe(at)}`.trimStart();
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have the state of a run, got ${got}`);
  }
  const { window, done } = result.data;
  const { mostWindows } = bounds;
  if (window > mostWindows || done < window) {
    throw new TimeRNNError(
      'ERR_TIMERNN_FORMAT',
      `Expected ${path} to have at most ${mostWindows} windows of an epoch, got window ${window} of ${done} that are done`,
    );
  }
  const expected = otherAverage(result.data, bounds.averageFrom);
  if (expected !== undefined) {
    const got = result.data.averageFrom === null ? 'none' : `one after update ${result.data.averageFrom}`;
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have ${expected}, got ${got}`);
  }
  return result.data;
}
