/**
 * The requests that are at work: each can be told to stop, by the client that goes away or by the end of the service.
 * Refuses to do: the work.
 */
import type { ServerResponse } from 'node:http';
import { CLIENT_GONE, HttpProblem } from './problem.js';

/** One request at work. */
export interface Job {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The request is answered, or given up. */
  end(): void;
}

/** What a request is told that comes too late. */
export const draining = (): HttpProblem =>
  new HttpProblem(503, 'DRAINING', 'Expected a service that takes requests, got one that is about to end', 1);

/** All requests at work. */
export class Work {
  readonly #jobs = new Set<AbortController>();
  readonly #most: number;
  #draining = false;
  #drained: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  /** @param most - jobs at the same time */
  constructor(most: number) {
    this.#most = most;
  }

  /** Requests that are at work now. */
  get running(): number {
    return this.#jobs.size;
  }

  /** Whether new requests are turned away. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /**
   * From now on there is no new work.
   *
   * @param patience - milliseconds after which what still runs is told to stop
   * @returns when nothing runs any more, or has been told to stop
   */
  drain(patience: number): Promise<void> {
    this.#drained ??= this.#drain(patience);
    return this.#drained;
  }

  async #drain(patience: number): Promise<void> {
    this.#draining = true;
    if (this.#jobs.size === 0) return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, patience);
      this.#onIdle = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.abort();
  }

  /** Tells all that runs to stop. */
  abort(): void {
    for (const job of this.#jobs) job.abort(draining());
  }

  /** @throws HttpProblem (503) where there is too much, or no more is taken */
  begin(response: ServerResponse): Job {
    if (this.#draining) throw draining();
    if (this.#jobs.size >= this.#most) {
      const message = `Expected at most ${this.#most} requests at the same time, got one more`;
      throw new HttpProblem(503, 'OVERLOADED', message, 1);
    }
    const controller = new AbortController();
    // The response's event: the request's own comes as soon as its body has been read.
    const onClose = () => {
      if (!response.writableFinished) controller.abort(CLIENT_GONE);
    };
    this.#jobs.add(controller);
    response.once('close', onClose);
    const end = () => {
      this.#jobs.delete(controller);
      response.off('close', onClose);
      if (this.#jobs.size === 0) this.#onIdle?.();
    };
    return { signal: controller.signal, end };
  }
}
