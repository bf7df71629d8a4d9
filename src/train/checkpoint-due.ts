/**
 * When the next checkpoint is due: after so many windows, or seconds of training. Seconds are turned into windows at the
 * speed of late, so that a long round ends about when they have passed. Refuses to do: clocks, and files; and nothing of
 * the result may depend on it, only when checkpoints are written.
 */
import type { ResolvedRun } from './run-options.js';
import type { RunState } from './state.js';

/** Windows of a round before any speed is known. */
const FIRST_WINDOWS = 32;

type Position = Pick<RunState, 'done' | 'seconds'>;

/** Follows a run from checkpoint to checkpoint. */
export class CheckpointDue {
  readonly #every: Pick<ResolvedRun, 'checkpointWindows' | 'checkpointSeconds'>;
  #savedSeconds = 0;
  /** Where the run was when its speed was last measured, and what a window took then. */
  #measured: Position = { done: 0, seconds: 0 };
  #windowSeconds = Number.NaN;

  constructor(every: Pick<ResolvedRun, 'checkpointWindows' | 'checkpointSeconds'>) {
    this.#every = every;
  }

  /** Takes note of a checkpoint. */
  saved({ seconds }: Position): void {
    this.#savedSeconds = seconds;
  }

  /** Most windows until it is due, at least 1; asked before every round. */
  windowsLeft({ done, seconds }: Position): number {
    const { checkpointWindows, checkpointSeconds } = this.#every;
    if (Number.isFinite(checkpointWindows)) return checkpointWindows - (done % checkpointWindows);
    const windows = done - this.#measured.done;
    if (windows > 0) {
      this.#windowSeconds = (seconds - this.#measured.seconds) / windows;
      this.#measured = { done, seconds };
    }
    if (!(this.#windowSeconds > 0)) return FIRST_WINDOWS;
    return Math.max(1, Math.ceil((checkpointSeconds - (seconds - this.#savedSeconds)) / this.#windowSeconds));
  }

  /** Whether it is due; asked between rounds. */
  isDue({ done, seconds }: Position): boolean {
    const { checkpointWindows, checkpointSeconds } = this.#every;
    return done % checkpointWindows === 0 || seconds - this.#savedSeconds >= checkpointSeconds;
  }
}
