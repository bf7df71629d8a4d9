/**
 * Perplexity of a text under a model: forward passes on the libuv pool, every token counted once.
 * Refuses to do: training.
 */
import { availableParallelism } from 'node:os';
import type { Corpus } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import type { QuestionTarget } from '../train/target.js';

/** Steps of one forward window, and windows of one trip to the pool (the signal is looked at in between). */
const WINDOW = 64;
const STEPS_A_TRIP = WINDOW * 32;
/** Streams computed together. Fixed, so that the result does not depend on the number of cores. */
const GROUP_ROWS = 8;
/** Threads of the libuv pool (4 unless the user says otherwise) that are left to everybody else's file access. */
const SPARE_THREADS = 1;
const LIBUV_THREADS = 4;

interface Group {
  starts: Uint32Array;
  steps: number;
}

/** Cuts L − 1 predictions into `streams` runs whose lengths differ by at most one, and those into groups of equal length. */
export function planGroups(length: number, streams: number): Group[] {
  const predictions = length - 1;
  const base = Math.floor(predictions / streams);
  const longer = predictions % streams;
  const groups: Group[] = [];
  for (let i = 0; i < streams; ) {
    const steps = i < longer ? base + 1 : base;
    const end = Math.min(i + GROUP_ROWS, i < longer ? longer : streams);
    const starts = Uint32Array.from({ length: end - i }, (_, k) => (i + k) * base + Math.min(i + k, longer));
    groups.push({ starts, steps });
    i = end;
  }
  return groups;
}

async function groupLoss(
  target: QuestionTarget,
  tokens: Uint32Array,
  group: Group,
  signal: AbortSignal,
): Promise<number> {
  const { spec, layout, params, lock } = target;
  const rows = group.starts.length;
  const replica = new native.Replica(spec, layout.offsets, rows, Math.min(WINDOW, group.steps), false);
  const state = new Float32Array(native.stateSize(spec, rows));
  let loss = 0;
  for (let done = 0; done < group.steps; done += STEPS_A_TRIP) {
    signal.throwIfAborted();
    const starts = group.starts.map((start) => start + done);
    const steps = Math.min(STEPS_A_TRIP, group.steps - done);
    loss += await lock.read(() => replica.evaluate(state, params, tokens, starts, steps));
  }
  return loss;
}

/** @throws ERR_TIMERNN_CORPUS where the corpus has nothing to predict, or less than one token a stream */
export function expectStreams(corpus: Corpus, streams: number, name = 'streams'): void {
  if (corpus.length >= 2 && streams <= corpus.length - 1) return;
  throw new TimeRNNError(
    'ERR_TIMERNN_CORPUS',
    corpus.length < 2
      ? `Expected at least 2 tokens to predict one, got ${corpus.length}`
      : `Expected ${name} to be at most ${corpus.length - 1} for a corpus of ${corpus.length} tokens, got ${streams}`,
  );
}

/** Sum of the negative log-likelihoods of tokens 1 … L−1, in nats. @throws ERR_TIMERNN_NOT_FINITE where it overflows */
export async function corpusLoss(
  target: QuestionTarget,
  corpus: Corpus,
  streams: number,
  signal?: AbortSignal,
): Promise<number> {
  expectStreams(corpus, streams);
  const groups = planGroups(corpus.length, streams);
  const losses: number[] = new Array(groups.length).fill(0);
  let next = 0;
  // Once a group has failed the others stop too: nothing goes on behind the caller's back.
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const turn = async (): Promise<void> => {
    for (let i = next++; i < groups.length; i = next++) {
      losses[i] = await groupLoss(target, corpus.tokens, groups[i]!, stop);
    }
  };
  const threads = Math.max(1, Math.min(availableParallelism(), LIBUV_THREADS - SPARE_THREADS, groups.length));
  const turns = Array.from({ length: threads }, () =>
    turn().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(turns);
  await Promise.all(turns);
  const total = losses.reduce((sum, loss) => sum + loss, 0);
  if (!Number.isFinite(total)) {
    throw new TimeRNNError(
      'ERR_TIMERNN_NOT_FINITE',
      `Expected the loss of the corpus to be finite, got ${total}; the model's weights are too large, as after training ` +
        'with steps that are too long',
    );
  }
  return total;
}

/**
 * exp of a mean loss in nats, which overflows above 709.
 *
 * @param dynamic - whether the parameters followed the text: then the steps are at fault
 * @throws ERR_TIMERNN_NOT_FINITE, or ERR_TIMERNN_DIVERGED with `dynamic`
 */
export function finitePerplexity(loss: number, dynamic: boolean): number {
  const value = Math.exp(loss);
  if (Number.isFinite(value)) return value;
  const [code, why] = dynamic
    ? (['ERR_TIMERNN_DIVERGED', 'a smaller learningRate, or a lower clip, may help'] as const)
    : ([
        'ERR_TIMERNN_NOT_FINITE',
        "the model's weights are too large, as after training with steps that are too long",
      ] as const);
  throw new TimeRNNError(
    code,
    `Expected the perplexity of the corpus to be finite, got exp(${loss.toPrecision(4)}); ${why}`,
  );
}
