/** What a training run has shown so far: the source of its summary lines, its time estimate and its report. */

import type { ReportEpoch, ReportRound } from '../report/types.js';
import type { TrainProgress } from '../train/types.js';
import { shareDone } from './progress-line.js';

/** Seconds after which a speed counts 1/e in the time estimate: other jobs come and go on the same machine. */
const MEMORY_SECONDS = 20;

/** Collects progress reports. Times are training times: evaluation, samples and saving do not count. */
export class History {
  readonly rounds: ReportRound[] = [];
  readonly epochs: ReportEpoch[] = [];
  /** Epochs whose last window is done. */
  epochsDone = 0;
  /** Updates of those epochs. */
  updatesDone = 0;
  /** Seconds of training, all epochs. */
  seconds = 0;
  #last: TrainProgress | undefined;
  #recentTokens = 0;
  #recentSeconds = 0;
  #tokensAtEpoch = 0;
  #secondsAtEpoch = 0;
  #resumed: boolean;

  /** @param resumed - the run goes on: its first report counts tokens that this process has not seen */
  constructor(resumed = false) {
    this.#resumed = resumed;
  }

  /** The latest report. */
  get last(): TrainProgress | undefined {
    return this.#last;
  }

  add(progress: TrainProgress): void {
    // How much of the first report of a resumed run is new cannot be told: it only sets where counting starts.
    if (this.#resumed && this.#last === undefined) this.#tokensAtEpoch = progress.tokens;
    const fresh = progress.tokens - (this.#last?.tokens ?? this.#tokensAtEpoch);
    const took = progress.tokensPerSecond > 0 ? fresh / progress.tokensPerSecond : 0;
    const keep = Math.exp(-took / MEMORY_SECONDS);
    this.#recentTokens = this.#recentTokens * keep + fresh;
    this.#recentSeconds = this.#recentSeconds * keep + took;
    this.seconds += took;
    const { tokens, loss, tokensPerSecond, gradientNorm } = progress;
    this.rounds.push({ tokens, loss, tokensPerSecond, gradientNorm });
    this.#last = progress;
    if (!progress.epochEnd) return;
    this.epochsDone = progress.epoch + 1;
    this.updatesDone += progress.windows;
  }

  /** Seconds until the end at the speed of late; undefined in the first moments, when it would only jump. */
  secondsLeft(): number | undefined {
    if (this.#last === undefined || this.seconds < 1) return undefined;
    const share = shareDone(this.#last);
    const tokensLeft = (this.#last.tokens * (1 - share)) / share;
    return share > 0 && this.#recentTokens > 0 ? (tokensLeft * this.#recentSeconds) / this.#recentTokens : undefined;
  }

  /** Closes the epoch of the latest report. */
  endEpoch(extra: { heldOutLoss?: number; averaging?: true; sample?: string }): ReportEpoch {
    const last = this.#last;
    if (last === undefined) throw new Error('Expected a progress report before the end of an epoch');
    const seconds = this.seconds - this.#secondsAtEpoch;
    const epoch: ReportEpoch = {
      epoch: last.epoch + 1,
      tokens: last.tokens,
      loss: last.epochLoss,
      learningRate: last.learningRate,
      tokensPerSecond: seconds > 0 ? (last.tokens - this.#tokensAtEpoch) / seconds : last.tokensPerSecond,
      seconds,
      ...extra,
    };
    this.#tokensAtEpoch = last.tokens;
    this.#secondsAtEpoch = this.seconds;
    this.epochs.push(epoch);
    return epoch;
  }
}
