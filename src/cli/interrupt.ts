/**
 * Ctrl-C and SIGTERM: the first one aborts a run in good order, the second one ends the process at once.
 */
import { EXIT } from './failures.js';

/** The reason of an abort by signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  constructor(readonly signalName: 'SIGINT' | 'SIGTERM' | 'EPIPE') {
    super(`Stopped by ${signalName}`);
  }

  /** What a shell expects of a process that this signal ended. */
  get exitCode(): number {
    if (this.signalName === 'EPIPE') return EXIT.ok;
    return this.signalName === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  }
}

export interface Interrupts {
  signal: AbortSignal;
  /** The signal that came, once one has. */
  reason(): Interrupted | undefined;
  /** Aborts as if a signal had come. */
  abort(name: Interrupted['signalName']): void;
  /** Gives the signals back to Node's default: die. */
  dispose(): void;
}

/**
 * Listens until the first signal. Taking the listeners away then restores the system's own action, so that a second
 * signal needs no event loop to end the process.
 */
export function listenForInterrupts(onFirst: (reason: Interrupted) => void): Interrupts {
  const controller = new AbortController();
  let reason: Interrupted | undefined;
  const abort = (name: Interrupted['signalName']) => {
    dispose();
    if (reason !== undefined) return;
    reason = new Interrupted(name);
    onFirst(reason);
    controller.abort(reason);
  };
  const onInt = () => abort('SIGINT');
  const onTerm = () => abort('SIGTERM');
  const dispose = () => {
    process.off('SIGINT', onInt);
    process.off('SIGTERM', onTerm);
  };
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return { signal: controller.signal, reason: () => reason, abort, dispose };
}
