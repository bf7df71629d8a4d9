/**
 * The Piscina pool of one training run: W threads that work in lockstep over shared memory.
 * Refuses to do: schedules and progress (see `train/`).
 */
import { Piscina } from 'piscina';
import { type ErrorCode, TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import type { NativeRun, RoundCall, RoundResult } from '../native-training.js';
import type { Outcome, Task, WorkerData } from './protocol.js';

export interface RoundPoolOptions {
  run: NativeRun;
  workers: number;
  /** URL of what the workers run; tests put their own in its place. @default the worker beside this file */
  entry?: string;
}

/**
 * Control blocks of the runs that are under way. The one piece of state that outlives a call: 'exit' is an event of the
 * whole process, and a listener for each of many runs would make Node warn of a leak.
 */
const underWay = new Set<Int32Array>();

// Without this, process.exit() during a round would wait for a rank that waits for one that was never started.
function onExit(): void {
  for (const control of underWay) native.poison(control);
}

function watchExit(control: Int32Array): void {
  if (underWay.size === 0) process.on('exit', onExit);
  underWay.add(control);
}

function unwatchExit(control: Int32Array): void {
  if (underWay.delete(control) && underWay.size === 0) process.removeListener('exit', onExit);
}

/** Runs rounds; every rank of a round is one task on a thread of its own. */
export class RoundPool {
  readonly #run: NativeRun;
  readonly #workers: number;
  readonly #pool: Piscina<Task, Outcome>;

  constructor({ run, workers, entry }: RoundPoolOptions) {
    this.#run = run;
    this.#workers = workers;
    native.resetControl(run.control);
    this.#pool = new Piscina<Task, Outcome>({
      filename: new URL('./entry.cjs', import.meta.url).href,
      workerData: { run, entry: entry ?? new URL('./worker.js', import.meta.url).href } satisfies WorkerData,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // The default lets an idle worker block its whole event loop in Atomics.wait; a message costs 0.1 ms a round.
      atomics: 'disabled',
      recordTiming: false,
    });
    // A worker that dies between tasks is reported by the next task; an 'error' event without listener would throw here.
    this.#pool.on('error', () => native.poison(run.control));
    watchExit(run.control);
  }

  /** Starts every thread and builds its workspace. @throws what a worker could not do */
  async prepare(): Promise<void> {
    await this.#all(() => ({ kind: 'prepare' }));
  }

  /**
   * Runs one round on all ranks and returns rank 0's account of it (all ranks agree on everything but the seconds).
   *
   * @throws the first cause if any rank failed; by then every rank has left its native code
   */
  async round(call: Omit<RoundCall, 'rank' | 'workers'>): Promise<RoundResult> {
    const results = await this.#all((rank) => ({ kind: 'round', ...call, rank, workers: this.#workers }));
    return results[0]!;
  }

  /** Asks all ranks to stop at the same window edge. */
  cancel(): void {
    native.cancel(this.#run.control);
  }

  /** Ends every thread. Only called when no round runs, so no thread is ended inside native code. */
  async close(): Promise<void> {
    await this.#pool.destroy();
    unwatchExit(this.#run.control);
  }

  async #all(task: (rank: number) => Task): Promise<(RoundResult | undefined)[]> {
    const outcomes = await Promise.all(
      Array.from({ length: this.#workers }, async (_, rank): Promise<Outcome> => {
        try {
          return await this.#pool.run(task(rank));
        } catch (error) {
          // The thread died, or its module could not be loaded: the others still wait for it.
          native.poison(this.#run.control);
          const { message, stack } = error as Error;
          return { ok: false, code: 'ERR_TIMERNN_WORKER', message: `A worker thread failed: ${message}`, stack };
        }
      }),
    );
    throwFirstCause(outcomes);
    return outcomes.map((outcome) => (outcome.ok ? outcome.result : undefined));
  }
}

/** Ranks that were only let out of the barrier report ERR_TIMERNN_WORKER; another code, or a dead thread, is the cause. */
function throwFirstCause(outcomes: readonly Outcome[]): void {
  const failures = outcomes.filter((outcome) => !outcome.ok);
  const cause =
    failures.find(({ code }) => code !== 'ERR_TIMERNN_WORKER') ??
    failures.find(({ message }) => !message.startsWith('Stopped because')) ??
    failures[0];
  if (cause === undefined) return;
  const error = new TimeRNNError(cause.code as ErrorCode, cause.message);
  if (cause.stack !== undefined) error.cause = cause.stack;
  throw error;
}
