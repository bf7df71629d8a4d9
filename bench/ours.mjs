/**
 * Our side of the benchmark: one workload, one number of workers, one process. Answers the same commands on stdin as
 * the peers do (one JSON value a line), so that the sides can take turns while each stays warm:
 *
 *   {"cmd":"tune","seconds":1}      warms up (there is nothing to choose)
 *   {"cmd":"measure","seconds":1.5} {tokens, seconds, wallSeconds, peakGflops, peakGflopsOfOne, delay, peakRss}
 *   {"cmd":"quit"}
 *
 * usage: node bench/ours.mjs '{"workload":{…},"workers":2,"corpus":2000000}'
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { native } from '#src/native.js';

/** Milliseconds between two looks at the event loop; an idle loop shows this much plus the timer's own lateness. */
const RESOLUTION = 1;

const { workload, workers, corpus } = JSON.parse(process.argv[2]);

/** Each kind of workload in a file of its own, loaded only where it is measured. */
const kinds = {
  lm: async () => (await import('./ours/lm.mjs')).languageModel(workload, workers, corpus),
  layer: async () => (await import('./ours/layer.mjs')).layer(workload, workers),
  step: async () => (await import('./ours/step.mjs')).stepper(workload, workers),
};

/** The sum of the FMA peaks of `count` cores at once: cores may share a clock or a power budget. */
async function fmaPeak(count) {
  const peaks = await Promise.all(Array.from({ length: count }, () => native.measureFma(60)));
  return peaks.reduce((a, b) => a + b, 0);
}

async function measure(side, seconds) {
  const peakGflops = await fmaPeak(workers);
  const peakGflopsOfOne = workers === 1 ? peakGflops : await fmaPeak(1);
  const start = performance.now();
  const result = await side.run(seconds);
  const wallSeconds = (performance.now() - start) / 1000;
  // Apart from the speed: looking every millisecond takes a core that is training away a thousand times a second.
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  await side.run(seconds / 4);
  delay.disable();
  const ms = (nanoseconds) => nanoseconds / 1e6;
  return {
    ...result,
    wallSeconds,
    peakGflops,
    peakGflopsOfOne,
    delay: { resolution: RESOLUTION, p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
    peakRss: process.resourceUsage().maxRSS * 1024,
  };
}

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const side = await kinds[workload.kind]();
answer({ ready: true, system: native.systemInfo() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.cmd === 'quit') break;
  try {
    if (command.cmd === 'measure') answer(await measure(side, command.seconds));
    else {
      // The first round also starts the workers and finds the round's length, so it never counts.
      await side.run(Number.MIN_VALUE);
      await side.run(command.seconds);
      answer({ chosen: 'timernn' });
    }
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
await side.close();
