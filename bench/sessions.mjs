/**
 * What batching gives without HTTP around it: many sessions of one model in this process, each asking for its next step as soon as
 * it has the last one, in batches and one at a time, A B A B. The event loop of the same process is watched meanwhile.
 *
 *   npm run bench:sessions -- [--seconds 5] [--repeats 5] [--sessions 1000] [--cell rnn] [--size 512] [--vocabulary 96]
 *                             [--precision float32] [--top-k 1] [--lanes 2]
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { LanguageModel, Vocabulary } from 'timernn';
import { describeMachine } from './machine.mjs';
import { median } from './measure.mjs';
import { positive, SERVED } from './options.mjs';

/** Milliseconds between two looks at the event loop; the histogram counts them as delay. */
const RESOLUTION = 1;

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      repeats: { type: 'string', default: '5' },
      ...SERVED,
    },
  });
  const whole = (name) => Math.ceil(positive(name, values[name]));
  return {
    ...{ cell: values.cell, precision: values.precision, seconds: positive('seconds', values.seconds) },
    ...{ repeats: whole('repeats'), sessions: whole('sessions'), size: whole('size') },
    ...{ vocabulary: whole('vocabulary'), topK: whole('top-k') },
    ...(values.lanes !== undefined && { lanes: whole('lanes') }),
  };
}

/** All sessions step until the time is over. */
async function turn(predictor, { sessions, vocabulary, topK, seconds }) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  const latencies = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const one = async (session, i) => {
    let asked = performance.now();
    for (let token = i % vocabulary; asked < end; ) {
      const [best] = await session.step(token, { topK });
      token = best.token;
      const now = performance.now();
      latencies.push(now - asked);
      asked = now;
    }
  };
  const before = predictor.stats;
  delays.enable();
  await Promise.all(Array.from({ length: sessions }, (_, i) => one(predictor.session(), i)));
  delays.disable();
  const elapsed = (performance.now() - start) / 1000;
  const { requests, batches } = predictor.stats;
  latencies.sort((a, b) => a - b);
  return {
    stepsPerSecond: latencies.length / elapsed,
    meanBatch: (requests - before.requests) / (batches - before.batches),
    p50: latencies[latencies.length >> 1],
    p99: latencies[Math.floor(latencies.length * 0.99)],
    late: Math.max(0, delays.percentile(99) / 1e6 - RESOLUTION),
  };
}

const options = readOptions();
const { cell, size, vocabulary, precision, lanes, sessions, repeats } = options;
const model = new LanguageModel({
  vocabulary: Vocabulary.ofSize(vocabulary),
  embedding: 64,
  layers: [{ cell, size }],
});
const { cpu, cores } = describeMachine();
console.log(`${cpu}, ${cores} cores: ${sessions} sessions of a ${cell} 1×${size}, V = ${vocabulary}, ${precision}`);
const sides = [];
for (const [name, maxBatch] of [
  ['batches', undefined],
  ['one at a time', 1],
]) {
  const predictor = await model.predictor({ precision, ...(maxBatch && { maxBatch }), ...(lanes && { lanes }) });
  sides.push({ name, predictor, turns: [] });
}
for (let i = 0; i < repeats; i++) {
  for (const { predictor, turns } of sides) turns.push(await turn(predictor, options));
}
for (const { name, predictor, turns } of sides) {
  const of = (key) => median(turns.map((each) => each[key]));
  console.log(
    `${name.padEnd(14)}${of('stepsPerSecond').toFixed(0).padStart(8)} steps/s   ${of('meanBatch').toFixed(1).padStart(4)} a batch   ` +
      `p50 ${of('p50').toFixed(1)} ms, p99 ${of('p99').toFixed(1)} ms   event loop late p99 ${of('late').toFixed(1)} ms`,
  );
  await predictor.close();
}
const ratios = sides[0].turns.map((each, i) => each.stepsPerSecond / sides[1].turns[i].stepsPerSecond);
console.log(`ratio ${median(ratios).toFixed(2)} (median of ${repeats} pairs)`);
