/**
 * The sessions of a service: found by an id that nobody can guess, one request at a time each, gone when nobody asks.
 * Refuses to do: throwing a session out for a new one, and keeping any beyond the process (a client can export its state).
 */
import { randomUUID } from 'node:crypto';
import { Line } from '../sessions/line.js';
import type { ServedSession } from './engine.js';
import { HttpProblem } from './problem.js';

interface Entry {
  readonly session: ServedSession;
  /** Milliseconds at the end of the last request. */
  usedAt: number;
  /** Requests that run or wait. */
  users: number;
  readonly line: Line;
}

/** Limits of a store. */
export interface StoreLimits {
  maxSessions: number;
  /** Seconds. */
  sessionTtl: number;
  maxWaiting: number;
}

/** Sessions by their ids. */
export class SessionStore {
  /** In the order of use: the one that nobody asked for longest comes first, apart from those that run. */
  readonly #entries = new Map<string, Entry>();
  readonly #limits: StoreLimits;
  readonly #now: () => number;
  /** Since the start. */
  readonly counts = { created: 0, expired: 0, refused: 0 };

  /** @param now - milliseconds */
  constructor(limits: StoreLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Sessions that are kept now. */
  get size(): number {
    return this.#entries.size;
  }

  /** Seconds that a session is kept without a request. */
  get ttl(): number {
    return this.#limits.sessionTtl;
  }

  /**
   * Keeps a session.
   *
   * @param open - called only where there is room
   * @throws HttpProblem (429) where there are too many
   */
  add(open: () => ServedSession): { id: string; session: ServedSession } {
    const { maxSessions } = this.#limits;
    if (this.#entries.size >= maxSessions) this.sweep();
    if (this.#entries.size >= maxSessions) {
      this.counts.refused++;
      const message = `Expected at most ${maxSessions} sessions at a time, got one more; delete some, or wait until one expires`;
      throw new HttpProblem(429, 'TOO_MANY_SESSIONS', message, this.#untilOneExpires());
    }
    const session = open();
    const id = randomUUID();
    this.#entries.set(id, { session, usedAt: this.#now(), users: 0, line: new Line() });
    this.counts.created++;
    return { id, session };
  }

  /**
   * Runs `body` when all earlier requests of the session are through.
   *
   * @throws HttpProblem (404) for an id that is not known, (429) where too many wait; or the signal's reason
   */
  async use<T>(id: string, signal: AbortSignal, body: (session: ServedSession) => Promise<T> | T): Promise<T> {
    const entry = this.#find(id);
    if (entry.users > this.#limits.maxWaiting) {
      const message = `Expected at most ${this.#limits.maxWaiting} requests to wait for one session, got one more`;
      throw new HttpProblem(429, 'SESSION_BUSY', message, 1);
    }
    let mine = false;
    entry.users++;
    try {
      await entry.line.enter(signal);
      mine = true;
      signal.throwIfAborted();
      // It may have been deleted while this one waited.
      if (this.#entries.get(id) !== entry) throw notFound(id);
      return await body(entry.session);
    } finally {
      entry.users--;
      if (this.#entries.get(id) === entry) this.#touch(id, entry);
      if (mine) entry.line.leave();
    }
  }

  /** @throws HttpProblem (404) for an id that is not known */
  delete(id: string): void {
    this.#find(id);
    this.#entries.delete(id);
  }

  /** Lets go of all sessions that nobody asked for too long. */
  sweep(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#isExpired(entry)) this.#expire(id);
      else if (entry.users === 0) return;
    }
  }

  /** Lets go of everything. */
  clear(): void {
    this.#entries.clear();
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined && this.#isExpired(entry)) this.#expire(id);
    else if (entry !== undefined) return entry;
    throw notFound(id);
  }

  #isExpired(entry: Entry): boolean {
    return entry.users === 0 && this.#now() - entry.usedAt >= this.#limits.sessionTtl * 1000;
  }

  #expire(id: string): void {
    this.#entries.delete(id);
    this.counts.expired++;
  }

  #touch(id: string, entry: Entry): void {
    entry.usedAt = this.#now();
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  #untilOneExpires(): number {
    for (const { users, usedAt } of this.#entries.values()) {
      if (users === 0) return Math.max(1, Math.ceil(this.ttl - (this.#now() - usedAt) / 1000));
    }
    return Math.max(1, Math.ceil(this.ttl));
  }
}

function notFound(id: string): HttpProblem {
  const shown = /^[0-9a-f-]{36}$/.test(id) ? id : 'another one';
  return new HttpProblem(404, 'SESSION_NOT_FOUND', `Expected the id of a session that has not expired, got ${shown}`);
}
