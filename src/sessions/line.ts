/**
 * A line of those who have one thing to themselves, one after the other, in order. Leaves nothing behind while nobody waits.
 * Refuses to do: limits; whoever lets others in counts them.
 */
export class Line {
  #taken = false;
  readonly #turns: (() => void)[] = [];

  /** Those who wait. */
  get length(): number {
    return this.#turns.length;
  }

  /** Resolves at one's turn; {@link leave} ends it. @throws (rejects) the signal's reason, at once, where one is out of the line then */
  enter(signal: AbortSignal | undefined): Promise<void> | undefined {
    if (!this.#taken) {
      this.#taken = true;
      return undefined;
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#turns.splice(this.#turns.indexOf(turn), 1);
        reject(signal!.reason);
      };
      const turn = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#turns.push(turn);
    });
  }

  /** The next one's turn. */
  leave(): void {
    const next = this.#turns.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}
