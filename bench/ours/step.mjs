/**
 * One stream, one token at a time: the native stepper in the loop that `model.generate` runs, on one thread (one stream
 * has nothing to share out). Every token is fed, scored over the whole vocabulary and sampled at temperature 1.
 */
import { allocateFloats } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';
import { specOf } from '../workloads.mjs';

/** Tokens of one trip to the thread pool. `generate` makes trips of 16, so that pieces arrive soon. */
const TRIP = 16;

export async function stepper(workload) {
  const spec = specOf(workload);
  const layout = planLayout(native.tensorTable(spec));
  const params = allocateFloats(layout.length);
  await native.initialise(params, spec, layout.offsets, 1n);
  const stepper = new native.Stepper(spec, layout.offsets);
  const sample = { temperature: 1, topK: 0, seed: 1n, exclude: new Uint32Array() };
  let position = 0;
  let input = Uint32Array.of(0);
  return {
    async run(seconds) {
      const start = performance.now();
      let [tokens, spent] = [0, 0];
      while (spent < seconds) {
        await stepper.generate({ params, input, count: TRIP, position, ...sample });
        input = new Uint32Array();
        position += TRIP;
        tokens += TRIP;
        spent = (performance.now() - start) / 1000;
      }
      return { tokens, seconds: spent };
    },
    async close() {},
  };
}
