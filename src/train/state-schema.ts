/** Checks of a run's state as a checkpoint has it. Refuses to do: anything with arenas. */
import { z } from 'zod';
import { TimeRNNError } from '../errors.js';
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

/** @throws ERR_TIMERNN_FORMAT naming the file and the field */
export function parseState(path: string, value: unknown, mostWindows: number): RunState {
  const result = schema.safeParse(value);
  const issue = result.success ? undefined : result.error.issues[0];
  const field = issue === undefined ? undefined : issue.path.join('.') || 'its state';
  if (field !== undefined || !result.success) {
    throw new TimeRNNError('ERR_TIMERNN_FORMAT', `Expected ${path} to have the state of a run, got another ${field}`);
  }
  const { window, done } = result.data;
  if (window > mostWindows || done < window) {
    throw new TimeRNNError(
      'ERR_TIMERNN_FORMAT',
      `Expected ${path} to have at most ${mostWindows} windows of an epoch, got window ${window} of ${done} that are done`,
    );
  }
  return result.data;
}
