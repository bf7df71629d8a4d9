/** Measures, in a thread of its own, how far the arrays it was given are from a 64-byte boundary. */
import { parentPort, workerData } from 'node:worker_threads';
import { native } from '#src/native.js';

const arrays = workerData as Float32Array[];
parentPort?.postMessage(arrays.map((array) => native.misalignment(array)));
