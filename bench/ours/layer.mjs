/**
 * A recurrent layer alone over W threads: each computes forward and backward of its share of the rows, then all add up
 * the gradients of the weights, so that a step ends with the gradient of the whole mini-batch, as the peers' do.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { allocateFloats } from '#src/memory/arena.js';
import { native } from '#src/native.js';
import { layoutOf, packedFloats } from './cells.mjs';
import { fill } from './random.mjs';

/** Rows of each thread, as even as they can be. */
function shares(rows, workers) {
  return Array.from(
    { length: workers },
    (_, rank) => Math.floor(((rank + 1) * rows) / workers) - Math.floor((rank * rows) / workers),
  );
}

export async function layer({ cell, N, T, D, H }, workers) {
  const { length } = layoutOf(cell, { D, H });
  const params = fill(allocateFloats(length), H ** -0.5);
  const grads = Array.from({ length: workers }, () => allocateFloats(length));
  const packed = allocateFloats(packedFloats(cell, { D, H }));
  const cores = new Int32Array(new SharedArrayBuffer(native.controlInts() * 4));
  const control = new Int32Array(new SharedArrayBuffer(64 * 4));
  const threads = shares(N, workers).map((rows, rank) => {
    const workerData = { cell, dims: { N: rows, T, D, H }, params, packed, grads, control, cores, rank, workers };
    return new Worker(new URL('./layer-worker.mjs', import.meta.url), { workerData });
  });
  return {
    async run(seconds) {
      const answers = threads.map((thread) => once(thread, 'message')); // rejects where the thread fails
      for (const thread of threads) thread.postMessage({ seconds });
      const [[first]] = await Promise.all(answers);
      return { tokens: first.steps * N * T, seconds: first.seconds, waited: first.waited, reduced: first.reduced };
    },
    // Between two runs every thread waits for a message, so none is ended inside native code.
    close: () => Promise.all(threads.map((thread) => thread.terminate())),
  };
}
