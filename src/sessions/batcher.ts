/**
 * Gathers the requests of many sessions into batches and runs them on the libuv pool, a few batches at a time.
 * First come, first served. While all lanes are busy, requests wait, and the next batch takes all that came meanwhile,
 * so batches grow with the load by themselves.
 * Refuses to do: keeping sessions' requests in order (a session asks for one thing at a time).
 */
import { setImmediate as turn } from 'node:timers/promises';
import { TimeRNNError } from '../errors.js';
import type { NativeEngine } from '../native-inference.js';
import { type Answer, accept, makeBatch, type Outcome, type Request, readBatch } from './request.js';
import type { PredictorStats } from './types.js';

export interface BatcherOptions {
  vocabulary: number;
  maxBatch: number;
  maxWait: number;
  maxQueue: number;
}

/**
 * Requests that are answered in one turn of the event loop: whoever asked goes on in the same turn, which over HTTP takes a tenth of
 * a millisecond or two each, and others' timers and sockets wait for them.
 */
const ANSWERS_A_TURN = 16;

interface Entry {
  request: Request;
  since: number;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
  /** Until a batch takes it. */
  queued: boolean;
  /** Set once its signal took it back, or it is answered. */
  settled: boolean;
}

/** The error for a request whose scores overflow. */
export function notFinite(): TimeRNNError {
  return new TimeRNNError(
    'ERR_TIMERNN_NOT_FINITE',
    "Expected the scores of the next token to be finite, got one that is not; the model's weights, or the state, are too large",
  );
}

/** See the file's header. */
export class Batcher {
  readonly #lanes: NativeEngine[];
  #options: BatcherOptions;
  /** The queue from `#head` on; what is before is done with. */
  #queue: Entry[] = [];
  #head = 0;
  /** Entries of the queue from there on. */
  #waiting = 0;
  #running = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #counts = { requests: 0, batches: 0, tokens: 0, refused: 0, cancelled: 0 };

  constructor(lanes: readonly NativeEngine[], options: BatcherOptions) {
    this.#lanes = [...lanes];
    this.#options = options;
  }

  get stats(): PredictorStats {
    return { queued: this.#waiting, running: this.#running, ...this.#counts };
  }

  /**
   * Runs a request in some batch. Its state is changed where this resolves, and only there.
   *
   * @throws (rejects) ERR_TIMERNN_OVERLOADED, ERR_TIMERNN_NOT_FINITE, or the signal's reason
   */
  ask(request: Request, signal?: AbortSignal): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { maxQueue } = this.#options;
    if (this.#waiting >= maxQueue) {
      this.#counts.refused++;
      return Promise.reject(
        new TimeRNNError('ERR_TIMERNN_OVERLOADED', `Expected at most ${maxQueue} requests to wait, got one more`),
      );
    }
    return new Promise((resolve, reject) => {
      const entry: Entry = { request, since: performance.now(), resolve, reject, queued: true, settled: false };
      if (signal !== undefined) this.#listen(entry, signal);
      this.#queue.push(entry);
      this.#waiting++;
      this.#schedule();
    });
  }

  /** Nobody waits for others any more. */
  hurry(): void {
    this.#options = { ...this.#options, maxWait: 0 };
    if (this.#waiting > 0) this.#dispatch();
  }

  #listen(entry: Entry, signal: AbortSignal): void {
    const onAbort = () => {
      if (entry.settled) return;
      entry.settled = true;
      this.#counts.cancelled++;
      // Where it runs already, its answer is thrown away; the batch has a copy of the state.
      if (entry.queued) {
        this.#queue.splice(this.#queue.indexOf(entry, this.#head), 1);
        this.#left(1);
      }
      entry.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const { resolve, reject } = entry;
    const done = () => signal.removeEventListener('abort', onAbort);
    entry.resolve = (answer) => {
      done();
      resolve(answer);
    };
    entry.reject = (reason) => {
      done();
      reject(reason);
    };
  }

  // After what is ready now has run: requests that come in the same turn of the event loop share a batch.
  #schedule(): void {
    if (this.#immediate !== undefined || this.#lanes.length === 0) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    const { maxBatch, maxWait } = this.#options;
    while (this.#lanes.length > 0 && this.#waiting > 0) {
      const waited = performance.now() - this.#queue[this.#head]!.since;
      if (this.#waiting < maxBatch && waited < maxWait) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#dispatch();
        }, maxWait - waited);
        return;
      }
      void this.#run(this.#lanes.pop()!, this.#take(maxBatch));
    }
  }

  #take(most: number): Entry[] {
    const taken: Entry[] = [];
    while (taken.length < most && this.#head < this.#queue.length) {
      const entry = this.#queue[this.#head++]!;
      entry.queued = false;
      taken.push(entry);
    }
    this.#left(taken.length);
    // The front of the array is given back when it is the larger half, so that taking stays cheap.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  async #run(lane: NativeEngine, entries: Entry[]): Promise<void> {
    const { vocabulary } = this.#options;
    this.#running += entries.length;
    try {
      const requests = entries.map(({ request }) => request);
      const batch = makeBatch(requests, vocabulary);
      await lane.run(batch);
      const outcomes = readBatch(batch, requests, vocabulary);
      this.#counts.batches++;
      for (const [i, entry] of entries.entries()) {
        if (i > 0 && i % ANSWERS_A_TURN === 0) await turn();
        this.#answer(entry, outcomes[i]!);
      }
    } catch (error) {
      for (const entry of entries) this.#reject(entry, error);
    } finally {
      this.#lanes.push(lane);
      this.#running -= entries.length;
      if (this.#waiting > 0) this.#schedule();
    }
  }

  #answer(entry: Entry, outcome: Outcome): void {
    if (entry.settled) return;
    const answer = accept(entry.request, outcome);
    if (answer === undefined) {
      this.#reject(entry, notFinite());
      return;
    }
    entry.settled = true;
    this.#counts.requests++;
    this.#counts.tokens += entry.request.tokens.length + (entry.request.length ?? 0);
    entry.resolve(answer);
  }

  #reject(entry: Entry, reason: unknown): void {
    if (entry.settled) return;
    entry.settled = true;
    entry.reject(reason);
  }

  // A timer for nobody would keep the process alive.
  #left(count: number): void {
    this.#waiting -= count;
    if (this.#waiting > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
