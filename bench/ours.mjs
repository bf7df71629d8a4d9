/**
 * Our side of the benchmark: one workload, one number of workers, one process. Answers the same commands on stdin as
 * the peers do (one JSON value a line), so that the sides can take turns while each stays warm:
 *
 *   {"cmd":"tune","seconds":1}      warms up (there is nothing to choose)
 *   {"cmd":"measure","seconds":1.5} {tokens, seconds, wallSeconds, peakGflops, delay, peakRss}
 *   {"cmd":"quit"}
 *
 * usage: node bench/ours.mjs '{"workload":{…},"workers":2,"corpus":2000000}'
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { native } from '#src/native.js';

/** Milliseconds between two looks at the event loop; an idle loop shows this much plus the timer's own lateness. */
const RESOLUTION = 1;

const { workload, workers, corpus: corpusLength } = JSON.parse(process.argv[2]);

/** Small and fast: the numbers only have to be spread over the range, the same in each run. */
function* random(seed) {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Trains on random tokens; speed is taken from the rounds, as `train` reports them. */
async function languageModel({ N, T, D, H, V, layers, lr, clip }) {
  const { Corpus, LanguageModel } = await import('timernn');
  const numbers = random(1);
  const tokens = Uint32Array.from({ length: corpusLength }, () => Math.floor(numbers.next().value * V));
  const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });
  const model = new LanguageModel({
    vocabulary: corpus.vocabulary,
    embedding: D,
    layers: Array.from({ length: layers }, () => ({ cell: 'rnn', size: H })),
    seed: 1,
  });
  const options = { streams: N, window: T, epochs: 1e6, workers, learningRate: lr, clip };
  const rounds = model.train(corpus, options);
  let before = 0;
  return {
    async run(seconds) {
      let [tokens, spent] = [0, 0];
      while (spent < seconds) {
        const { value, done } = await rounds.next();
        if (done) throw new Error('training ended before the benchmark did');
        const count = value.tokens - before;
        before = value.tokens;
        tokens += count;
        spent += count / value.tokensPerSecond;
      }
      return { tokens, seconds: spent };
    },
    close: () => rounds.return(),
  };
}

/** Forward and backward of TimeRNN on this thread, called as a user calls it. */
async function layer({ N, T, D, H }) {
  const { Tensor, TimeRNN } = await import('timernn/layers');
  const numbers = random(1);
  const fill = (length, bound) => Float32Array.from({ length }, () => (numbers.next().value * 2 - 1) * bound);
  const rnn = new TimeRNN({ inputSize: D, hiddenSize: H, stateful: false, seed: 1 });
  const xs = new Tensor(fill(N * T * D, 0.5), [N, T, D]);
  const dhs = new Tensor(fill(N * T * H, 0.01), [N, T, H]);
  return {
    async run(seconds) {
      const start = performance.now();
      let [tokens, spent] = [0, 0];
      while (spent < seconds) {
        rnn.forward(xs);
        rnn.backward(dhs);
        tokens += N * T;
        spent = (performance.now() - start) / 1000;
      }
      return { tokens, seconds: spent };
    },
    async close() {},
  };
}

async function measure(side, seconds) {
  // As many cores at once as the step has workers: cores may share a clock budget.
  const peaks = await Promise.all(Array.from({ length: workers }, () => native.measureFma(100)));
  const peakGflops = peaks.reduce((a, b) => a + b, 0);
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const start = performance.now();
  const result = await side.run(seconds);
  const wallSeconds = (performance.now() - start) / 1000;
  delay.disable();
  const ms = (nanoseconds) => nanoseconds / 1e6;
  return {
    ...result,
    wallSeconds,
    peakGflops,
    delay: { resolution: RESOLUTION, p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
    peakRss: process.resourceUsage().maxRSS * 1024,
  };
}

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const side = await { lm: languageModel, layer }[workload.kind](workload);
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
