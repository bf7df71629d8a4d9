/**
 * npm run bench:characters -- --data FOLDER: the same character model trained for the same time on the same cores, by us
 * and by PyTorch, one after the other; validation nats a character by both programs' own evaluation.
 *
 *   --data FOLDER       holds input.txt (tiny Shakespeare: the first nine tenths are trained on, the next twentieth is
 *                       the validation text)
 *   --seconds 600       training time of each side; evaluation does not count
 *   --workers 2         threads of each side
 *   --only ours         or PyTorch
 *
 * Each side measures its own speed for a while first, plans as many whole epochs as fit, and lets the step size fall on
 * half a cosine over just those. All else is the same: LSTM 1 × 512, embedding 64, 32 streams, windows of 64, dropout 0.2
 * of inputs and outputs, Adam at 0.003, norm clipped at 1, seed 1, and how the weights start.
 * TIMERNN_PYTHON names the Python that has PyTorch (default: python3).
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Corpus, LanguageModel } from '#src/index.js';
import { describeMachine } from './machine.mjs';
import { pytorchEnvironment } from './peers/pytorch.mjs';
import { here, python } from './side.mjs';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    seconds: { type: 'string', default: '600' },
    workers: { type: 'string', default: '2' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
});
if (values.data === undefined) throw new Error('Expected --data, the folder of input.txt, got none');

const seconds = Number(values.seconds);
const workers = Number(values.workers);
const CALIBRATION = 15;
const model = {
  embedding: 64,
  size: 512,
  streams: 32,
  window: 64,
  dropout: 0.2,
  learningRate: 0.003,
  clip: 1,
  seed: 1,
};

/** Windows a second after the first few, of a model that is thrown away. */
async function speed(make, corpus, options) {
  const stop = new AbortController();
  let tokens = 0;
  let spent = 0;
  try {
    for await (const report of make().train(corpus, { ...options, epochs: 100, signal: stop.signal })) {
      const fresh = report.tokens - tokens;
      tokens = report.tokens;
      // The first round starts threads and finds its length.
      if (spent > 0 || report.window > 1) spent += fresh / report.tokensPerSecond;
      if (spent > Math.min(CALIBRATION, seconds / 4)) stop.abort(new Error('measured'));
    }
  } catch (error) {
    if (error.message !== 'measured') throw error;
  }
  return tokens / spent;
}

async function ours() {
  const all = await Corpus.fromFile(join(values.data, 'input.txt'), { unit: 'char' });
  const { train, heldOut } = all.split({ heldOut: 0.1 });
  const validation = heldOut.split({ heldOut: 0.5 }).train;
  const layers = [{ cell: 'lstm', size: model.size, dropout: model.dropout }];
  const { embedding, dropout: inputDropout, seed } = model;
  const make = () => new LanguageModel({ vocabulary: all.vocabulary, embedding, inputDropout, layers, seed });
  const { streams, window, learningRate, clip } = model;
  const options = { streams, window, learningRate, clip, optimizer: 'adam', workers };
  const tokensPerSecond = await speed(make, train, options);
  const epochs = Math.max(1, Math.floor((seconds * tokensPerSecond) / train.length));
  const trained = make();
  let spent = 0;
  let last = 0;
  for await (const report of trained.train(train, { ...options, epochs, schedule: { kind: 'cosine' } })) {
    spent += (report.tokens - last) / report.tokensPerSecond;
    last = report.tokens;
  }
  const perplexity = await trained.perplexity(validation);
  return { side: 'timernn', epochs, tokens: last, seconds: spent, nats: Math.log(perplexity) };
}

function pytorch() {
  const args = [
    here('peers/pytorch_characters.py'),
    join(values.data, 'input.txt'),
    JSON.stringify({ ...model, seconds, threads: workers }),
  ];
  const { status, stdout } = spawnSync(python, args, {
    env: { ...process.env, ...pytorchEnvironment(workers) },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`Expected PyTorch's side to run, got exit code ${status}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const results = [];
if (values.only !== 'PyTorch') results.push(await ours());
if (values.only !== 'ours') results.push(pytorch());
for (const result of results) console.log(JSON.stringify(result));
if (values.out !== undefined)
  writeFileSync(
    values.out,
    `${JSON.stringify({ machine: describeMachine(), model, seconds, workers, results }, null, 1)}\n`,
  );
