/** What the trainer and its workers say to each other. */
import type { ErrorCode } from '../errors.js';
import type { NativeRun, RoundCall, RoundResult } from '../native-training.js';

/** What a worker is started with. */
export interface WorkerData {
  run: NativeRun;
  /** URL of the module that does the work; see `entry.cts`. */
  entry: string;
}

/** `prepare` builds the runner and its workspace, so that the first round is as fast as the others. */
export type Task = { kind: 'prepare' } | ({ kind: 'round' } & RoundCall);

/**
 * A worker's answer. Failures travel as values: an Error that crosses threads loses its `code`.
 */
export type Outcome =
  | { ok: true; result: RoundResult | undefined }
  | { ok: false; code: ErrorCode; message: string; stack: string | undefined };
