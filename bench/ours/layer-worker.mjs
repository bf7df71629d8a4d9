/** One thread of `layer.mjs`: its rows of the layer, on buffers that are allocated once. */
import { parentPort, workerData } from 'node:worker_threads';
import { native } from '#src/native.js';
import { cellCalls } from './cells.mjs';
import { fill } from './random.mjs';

const { dims, params, grads, control, cores, rank, workers } = workerData;
const [ARRIVED, GENERATION, STOP] = [0, 16, 32]; // a cache line apart
const SPINS = 20_000;

function barrier() {
  if (workers === 1) return;
  const generation = Atomics.load(control, GENERATION);
  if (Atomics.add(control, ARRIVED, 1) === workers - 1) {
    Atomics.store(control, ARRIVED, 0);
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    return;
  }
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(control, GENERATION) !== generation) return;
  }
  while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation);
}

const { N, T, D, H } = dims;
const { pack, step } = cellCalls(
  { ...workerData, grads: grads[rank] },
  { xs: fill(new Float32Array(N * T * D), 0.5, rank + 1), dhs: fill(new Float32Array(N * T * H), 0.01, rank + 7) },
);
const from = Math.floor((rank * params.length) / workers);
const to = Math.floor(((rank + 1) * params.length) / workers);

parentPort.on('message', ({ seconds }) => {
  barrier();
  const start = performance.now();
  let [steps, waited, reduced] = [0, 0, 0];
  do {
    native.settle(cores, rank, workers);
    // Weights change at every training step, so bringing them into the kernels' form counts.
    pack();
    barrier();
    step();
    const arrived = performance.now();
    barrier();
    const met = performance.now();
    native.sumRange(grads, from, to);
    if (rank === 0) Atomics.store(control, STOP, performance.now() - start >= seconds * 1000 ? 1 : 0);
    const left = performance.now();
    barrier();
    waited += met - arrived + (performance.now() - left);
    reduced += left - met;
    steps++;
  } while (Atomics.load(control, STOP) === 0);
  const [spent, waits, sums] = [performance.now() - start, waited, reduced].map((ms) => ms / 1000);
  parentPort.postMessage({ steps, seconds: spent, waited: waits, reduced: sums });
});
