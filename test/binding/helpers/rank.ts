/** One rank of a run, in a thread of its own: waits in the barrier for the other one, or ends without coming there. */
import { parentPort, workerData } from 'node:worker_threads';
import { native } from '#src/native.js';
import type { NativeRun } from '#src/native-training.js';
import { call } from '../../pool/helpers/runs.js';

const { run, waits } = workerData as { run: NativeRun; waits: boolean };
const runner = new native.Runner(run);
parentPort?.postMessage('ready');
if (waits) {
  try {
    runner.run({ ...call, rank: 0, workers: 2, to: 1 });
    parentPort?.postMessage('came back');
  } catch (error) {
    parentPort?.postMessage((error as { code?: string }).code);
  }
} else {
  process.exit();
}
