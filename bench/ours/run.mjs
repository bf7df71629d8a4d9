/** A run as the trainer lays it out, for those who drive the pool themselves. */
import { allocateFloats } from '#src/memory/arena.js';
import { planLayout } from '#src/memory/layout.js';
import { ReadWriteLock } from '#src/models/lock.js';
import { native } from '#src/native.js';
import { resolveTrainOptions } from '#src/train/options.js';
import { planRun } from '#src/train/plan-run.js';
import { specOf } from '../workloads.mjs';

/**
 * @param options  of `train`; the learning rate a number
 * @returns the run, how many windows it has, and a round of it that plain SGD does: `call(from, to)`
 */
export async function layOut(workload, corpus, { clip, ...options }) {
  const spec = specOf(workload);
  const layout = planLayout(native.tensorTable(spec));
  const params = allocateFloats(layout.length);
  await native.initialise(params, spec, layout.offsets, 1n);
  const parts = { spec: { input: {}, layers: spec.layers }, layout, params };
  const target = { spec, layout, params, parts, lock: new ReadWriteLock() };
  const { run } = planRun(target, corpus, resolveTrainOptions(options, corpus.length));
  run.rates.fill(options.learningRate);
  const call = (from, to) => ({
    from,
    to,
    done: from,
    clip,
    clipValue: 0,
    averageFrom: Number.POSITIVE_INFINITY,
    lossBefore: 0,
  });
  return { run, windows: run.rates.length, call };
}
