/**
 * Gathers the requests of many sessions into batches and runs them on the libuv pool, a few batches at a time.
 * First come, first served. While all lanes are busy, requests wait, and the next batch takes all that came meanwhile,
 * so batches grow with the load by themselves.
 * Refuses to do: keeping sessions' requests in order (a session asks for one thing at a time).
 */
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
const ANSWERS_A_TURN = 4;

/** A request on its way. It listens to its signal itself: a closure for each of a few thousand requests a second is work for the garbage collector. */
class Entry {
  readonly since = performance.now();
  /** Until a batch takes it. */
  queued = true;
  /** Set once its signal took it back, or it is answered. */
  #settled = false;

  constructor(
    readonly request: Request,
    readonly signal: AbortSignal | undefined,
    readonly takenBack: (entry: Entry) => void,
    readonly onAnswer: (answer: Answer) => void,
    readonly onError: (reason: unknown) => void,
  ) {
    signal?.addEventListener('abort', this);
  }

  handleEvent(): void {
    if (this.#settle()) {
      this.takenBack(this);
      this.onError(this.signal!.reason);
    }
  }

  /** Gives it what a batch made of it. @returns whether it was still wanted, and all right */
  answer(outcome: Outcome): boolean {
    if (this.#settled) return false;
    const answer = accept(this.request, outcome);
    if (answer === undefined) {
      this.reject(notFinite());
      return false;
    }
    this.#settle();
    this.onAnswer(answer);
    return true;
  }

  reject(reason: unknown): void {
    if (this.#settle()) this.onError(reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.signal?.removeEventListener('abort', this);
    return true;
  }
}

/** A batch that ran, and how many of its requests are answered. */
interface Finished {
  entries: readonly Entry[];
  outcomes: readonly Outcome[];
  told: number;
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
  /** Batches that still have requests to answer, in the order in which they ended. */
  readonly #finished: Finished[] = [];
  /** Their requests that are not answered. */
  #untold = 0;
  /** Whether the next turn of the event loop goes on with them. */
  #telling = false;
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
      return Promise.reject(this.refuse('requests'));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push(new Entry(request, signal, this.#takenBack, resolve, reject));
      this.#waiting++;
      this.#schedule();
    });
  }

  /** The error for a request for which there is no room to wait. Counts it. */
  refuse(what: string): TimeRNNError {
    this.#counts.refused++;
    const message = `Expected at most ${this.#options.maxQueue} ${what} to wait, got one more`;
    return new TimeRNNError('ERR_TIMERNN_OVERLOADED', message);
  }

  /** Nobody waits for others any more. */
  hurry(): void {
    this.#options = { ...this.#options, maxWait: 0 };
    if (this.#waiting > 0) this.#dispatch();
  }

  // Where it runs already, its answer is thrown away; the batch has a copy of the state.
  readonly #takenBack = (entry: Entry): void => {
    this.#counts.cancelled++;
    if (!entry.queued) return;
    this.#queue.splice(this.#queue.indexOf(entry, this.#head), 1);
    this.#left(1);
  };

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
      // Faster than they can be told, answers would only pile up.
      if (this.#untold > maxBatch) return;
      if (this.#waiting < maxBatch) {
        // Those who are about to be answered may ask again, and share the batch. It is looked at again after them.
        if (this.#untold > 0) return;
        const waited = performance.now() - this.#queue[this.#head]!.since;
        if (waited < maxWait) {
          this.#timer ??= setTimeout(() => {
            this.#timer = undefined;
            this.#dispatch();
          }, maxWait - waited);
          return;
        }
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
      this.#finished.push({ entries, outcomes: readBatch(batch, requests, vocabulary), told: 0 });
      this.#counts.batches++;
      this.#untold += entries.length;
    } catch (error) {
      for (const entry of entries) entry.reject(error);
      this.#running -= entries.length;
    } finally {
      this.#lanes.push(lane);
      if (this.#waiting > 0) this.#schedule();
    }
    if (!this.#telling && this.#finished.length > 0) this.#tell();
  }

  // One turn's answers. The lanes go on meanwhile.
  #tell(): void {
    const batch = this.#finished[0]!;
    const end = Math.min(batch.told + ANSWERS_A_TURN, batch.entries.length);
    this.#running -= end - batch.told;
    this.#untold -= end - batch.told;
    for (; batch.told < end; batch.told++) {
      const entry = batch.entries[batch.told]!;
      if (!entry.answer(batch.outcomes[batch.told]!)) continue;
      this.#counts.requests++;
      this.#counts.tokens += entry.request.tokens.length + (entry.request.length ?? 0);
    }
    if (end === batch.entries.length) this.#finished.shift();
    this.#telling = this.#finished.length > 0;
    if (this.#telling) setImmediate(() => this.#tell());
    if (this.#waiting > 0) this.#schedule();
  }

  // A timer for nobody would keep the process alive.
  #left(count: number): void {
    this.#waiting -= count;
    if (this.#waiting > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
