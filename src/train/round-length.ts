/** How many windows a round has. Refuses to do: deciding anything that changes the result. */

/** How long a round lasts where `reportEvery` is not given. */
const ROUND_SECONDS = 0.25;

/** Follows the speed of the rounds so far. */
export class RoundLength {
  #windows: number;
  readonly #fixed: boolean;

  constructor(reportEvery: number | undefined) {
    this.#fixed = reportEvery !== undefined;
    this.#windows = reportEvery ?? 1;
  }

  /** Windows of the next round. */
  get windows(): number {
    return this.#windows;
  }

  add(windows: number, seconds: number): void {
    if (this.#fixed) return;
    // Grows at most fourfold at once: the first rounds may be slow for reasons that pass.
    const fit = Math.round((windows * ROUND_SECONDS) / seconds);
    this.#windows = Math.max(1, Math.min(fit, this.#windows * 4));
  }
}
