/** What the trainer and its workers say to each other. */
import type { ErrorCode } from '../errors.js';
import type { RoundCall, RoundResult } from '../native-training.js';

/** `prepare` builds the runner and its workspace, so that the first round is as fast as the others. */
export type Task = { kind: 'prepare' } | ({ kind: 'round' } & RoundCall);

/**
 * A worker's answer. Failures travel as values: an Error that crosses threads loses its `code`.
 */
export type Outcome =
  | { ok: true; result: RoundResult | undefined }
  | { ok: false; code: ErrorCode; message: string; stack: string | undefined };
