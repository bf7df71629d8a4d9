/**
 * A bucket of tokens for each client: it fills steadily, and each request takes one out.
 * Refuses to do: sharing buckets between processes; a proxy in front does that better.
 */
import { isIPv6 } from 'node:net';
import { HttpProblem } from './problem.js';

/** Clients that are remembered. The one that was quiet for longest, whose bucket is the fullest, is forgotten first. */
const MOST_CLIENTS = 20_000;

/** An IPv6 client has a whole /64 of addresses; it counts as one. */
export function clientKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(Math.max(0, zeros)).fill('0'), ...last].slice(0, 4).join(':');
}

/** How many requests a client may send. */
export class RateLimit {
  readonly #buckets = new Map<string, { level: number; at: number }>();
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;

  /** @param now - milliseconds */
  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
  }

  /** Takes one request out of the client's bucket. @throws HttpProblem (429) where it is empty */
  take(address: string): void {
    const key = clientKey(address);
    const now = this.#now();
    const old = this.#buckets.get(key);
    const refilled = old === undefined ? this.#burst : old.level + ((now - old.at) / 1000) * this.#perSecond;
    const level = Math.min(this.#burst, refilled);
    this.#buckets.delete(key);
    this.#buckets.set(key, { level: level < 1 ? level : level - 1, at: now });
    if (this.#buckets.size > MOST_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (level >= 1) return;
    const wait = Math.max(1, Math.ceil((1 - level) / this.#perSecond));
    const message = `Expected at most ${this.#perSecond} requests a second from one client, got more`;
    throw new HttpProblem(429, 'RATE_LIMITED', message, wait);
  }
}
