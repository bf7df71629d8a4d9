/**
 * How a corpus is cut into streams, and streams into shards: pure arithmetic.
 * Refuses to do: depending on the number of workers, since results must not.
 */
import { expectInteger, TimeRNNError } from '../errors.js';

/** How N streams read a corpus side by side. */
export interface StreamPlan {
  /** N offsets: stream i reads its inputs from `starts[i]` on; its targets lie one token further. */
  readonly starts: Uint32Array;
  /** Steps (predicted tokens) of every stream; the same for all, so that windows stay rectangular. */
  readonly steps: number;
  /** Windows an epoch has; the last one may be shorter than the others. */
  readonly windows: number;
}

/**
 * Cuts a corpus of L tokens into N streams. With S = ⌊L/N⌋, stream i starts at i·S and takes
 * min(S, L − 1 − (N − 1)·S) steps: as many as the last stream has targets for.
 *
 * @param length - L, at least 2
 * @param streams - N, from 1 to L − 1
 * @param window - T, steps of a window
 * @throws ERR_TIMERNN_CORPUS where the corpus is too short; ERR_TIMERNN_OPTION for numbers out of range
 * @example
 * ```ts
 * import { planStreams } from '#src/data/streams.js';
 * console.log(planStreams(1000, 2, 50)); // { starts: [0, 500], steps: 499, windows: 10 }
 * ```
 */
export function planStreams(length: number, streams: number, window: number): StreamPlan {
  expectInteger('streams', streams);
  expectInteger('window', window);
  expectInteger('length', length, 0, 2 ** 32 - 1);
  if (length < 2) {
    throw new TimeRNNError(
      'ERR_TIMERNN_CORPUS',
      `Expected the corpus to have at least 2 tokens (an input and its target), got ${length}`,
    );
  }
  if (streams > length - 1) {
    throw new TimeRNNError(
      'ERR_TIMERNN_CORPUS',
      `Expected streams to be at most ${length - 1} for a corpus of ${length} tokens, got ${streams}`,
    );
  }
  const stride = Math.floor(length / streams);
  const starts = Uint32Array.from({ length: streams }, (_, i) => i * stride);
  const steps = Math.min(stride, length - 1 - (streams - 1) * stride);
  return { starts, steps, windows: Math.ceil(steps / window) };
}

/** Streams where nobody says how many, and the corpus is long enough. */
const USUAL_STREAMS = 32;

/**
 * The number of streams where nobody says: 32, or as many as still have a whole window each in a short corpus.
 *
 * @param length - L, tokens of the corpus
 * @param window - T, steps of a window
 * @returns at least 1
 * @example
 * ```ts
 * import { defaultStreams } from '#src/data/streams.js';
 * console.log(defaultStreams(1_000_000, 64), defaultStreams(1000, 64)); // 32 15
 * ```
 */
export function defaultStreams(length: number, window: number): number {
  return Math.max(1, Math.min(USUAL_STREAMS, Math.floor((length - 1) / window)));
}

/**
 * Cuts N streams into shards, the groups that are computed together.
 *
 * @param streams - N
 * @param shards - how many, from 1 to N; the smallest power of two ≥ N/16 if not given, but at least 2 where N ≥ 2
 * @returns the rows of each shard, as even as possible, the larger ones first; their sum is N
 * @throws ERR_TIMERNN_OPTION for numbers out of range
 * @example
 * ```ts
 * import { planShards } from '#src/data/streams.js';
 * console.log(planShards(20), planShards(7, 3)); // [ 10, 10 ] [ 3, 2, 2 ]
 * ```
 */
export function planShards(streams: number, shards?: number): number[] {
  expectInteger('streams', streams);
  const count = shards ?? defaultShards(streams);
  expectInteger('shards', count);
  if (count > streams) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected shards to be at most the number of streams (${streams}), got ${count}`,
    );
  }
  const rows = Math.floor(streams / count);
  const larger = streams % count;
  return Array.from({ length: count }, (_, i) => (i < larger ? rows + 1 : rows));
}

function defaultShards(streams: number): number {
  let count = streams >= 2 ? 2 : 1;
  while (count < streams / 16) count *= 2;
  return count;
}
