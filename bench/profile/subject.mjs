/**
 * What bench:profile watches: a workload run as the trainer runs it, but through the pool directly, since `train` does
 * not report what the runner says about its seconds. Commands on stdin as in ours.mjs; measure answers with
 * {parts: {compute, reduce, update, wait}} in seconds of rank 0.
 */
import { createInterface } from 'node:readline';
import { Corpus } from 'timernn';
import { RoundPool } from '#src/pool/round-pool.js';
import { layer } from '../ours/layer.mjs';
import { random } from '../ours/random.mjs';
import { layOut } from '../ours/run.mjs';

const { workload, workers, corpus: length } = JSON.parse(process.argv[2]);

function plan({ N, T, V, lr, clip }) {
  const numbers = random(1);
  const tokens = Uint32Array.from({ length }, () => Math.floor(numbers.next().value * V));
  const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });
  return layOut(workload, corpus, { streams: N, window: T, learningRate: lr, clip });
}

async function training() {
  const { windows, run, call } = await plan(workload);
  const pool = new RoundPool({ run, workers });
  await pool.prepare();
  let from = 0;
  let count = 1;
  return {
    async run(seconds) {
      const parts = { compute: 0, reduce: 0, update: 0, wait: 0 };
      const start = performance.now();
      do {
        if (from >= windows) from = 0;
        const to = Math.min(windows, from + count);
        const began = performance.now();
        const result = await pool.round(call(from, to));
        // Rounds of about a quarter of a second, as the trainer's.
        count = Math.max(1, Math.min(count * 4, Math.round((count * 250) / (performance.now() - began))));
        from = to;
        parts.compute += result.seconds.window;
        for (const part of ['reduce', 'update', 'wait']) parts[part] += result.seconds[part];
      } while (performance.now() - start < seconds * 1000);
      return { parts };
    },
    close: () => pool.close(),
  };
}

async function alone() {
  const side = await layer(workload, workers);
  return {
    async run(seconds) {
      const { seconds: all, waited, reduced } = await side.run(seconds);
      return { parts: { compute: all - waited - reduced, reduce: reduced, update: 0, wait: waited } };
    },
    close: side.close,
  };
}

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const side = await (workload.kind === 'layer' ? alone() : training());
answer({ ready: true, pid: process.pid });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.cmd === 'quit') break;
  try {
    answer(await side.run(command.seconds));
  } catch (error) {
    answer({ error: String(error?.message ?? error) });
  }
}
await side.close();
