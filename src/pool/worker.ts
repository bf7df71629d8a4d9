/**
 * A training worker: one thread of the Piscina pool. Holds a native runner for the run it was started for.
 * Refuses to do: policy. Which rank and which windows come with each task.
 */
import { workerData } from 'node:worker_threads';
import type { ErrorCode } from '../errors.js';
import { native } from '../native.js';
import type { NativeRunner } from '../native-training.js';
import type { Outcome, Task, WorkerData } from './protocol.js';

let runner: NativeRunner | undefined;

export default function work(task: Task): Outcome {
  const { run } = workerData as WorkerData;
  try {
    runner ??= new native.Runner(run);
    return { ok: true, result: task.kind === 'round' ? runner.run(task) : undefined };
  } catch (error) {
    // A rank that cannot even start must let the others out of their barrier.
    native.poison(run.control);
    const { code, message, stack } = error as Error & { code?: ErrorCode };
    return { ok: false, code: code ?? 'ERR_TIMERNN_WORKER', message, stack };
  }
}
