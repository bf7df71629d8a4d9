/**
 * One stream, one token at a time, on packed weights: the engine that sessions run on, its threads sharing each product.
 * Every token is read, scored over the whole vocabulary and the next drawn at temperature 1.
 */
import { allocateFloats } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';
import { makeBatch, readBatch } from '#src/sessions/request.js';
import { specOf } from '../workloads.mjs';

/** Tokens of one trip to the thread pool, as many as `generate` takes. */
const TRIP = 16;

export async function stepper(workload, threads) {
  const spec = specOf(workload);
  const layout = planLayout(native.tensorTable(spec));
  const params = allocateFloats(layout.length);
  await native.initialise(params, spec, layout.offsets, 1n);
  const weights = new native.PackedWeights(spec, layout.offsets, workload.precision ?? 'float32');
  await weights.pack(params);
  const engine = new native.Engine(weights, 1, threads);
  const state = new Float32Array(native.stateSize(spec, 1));
  let position = 0;
  let tokens = Uint32Array.of(0);
  return {
    async run(seconds) {
      const start = performance.now();
      let [read, spent] = [0, 0];
      while (spent < seconds) {
        const requests = [{ ask: 'sample', state, tokens, length: TRIP, position, seed: 1n }];
        const batch = makeBatch(requests, workload.V);
        await engine.run(batch);
        readBatch(batch, requests, workload.V);
        tokens = new Uint32Array();
        position += TRIP;
        read += TRIP;
        spent = (performance.now() - start) / 1000;
      }
      return { tokens: read, seconds: spent, bytesPerToken: weights.bytes };
    },
    async close() {},
  };
}
