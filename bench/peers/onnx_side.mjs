/**
 * The onnxruntime-node side: feed a token with the states, take the most likely one, feed that. Our side draws at random, which
 * costs it more; in JavaScript a draw over 10,000 scores would cost this side a tenth of a millisecond.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { Corpus, exportOnnx, LanguageModel } from '../../dist/index.js';
import { specOf } from '../workloads.mjs';
import { serve } from './serve.mjs';

const { threads, ...workload } = JSON.parse(process.argv[2]);
const { layers, input } = specOf(workload);

async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'timernn-bench-'));
  try {
    const { vocabulary } = Corpus.fromTokens(Uint32Array.of(0, 1), { vocabularySize: workload.V });
    const model = new LanguageModel({ vocabulary, embedding: input.embedding, layers });
    const path = join(folder, 'model.onnx');
    await exportOnnx(model, path);
    const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' };
    return await ort.InferenceSession.create(readFileSync(path), options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const session = await start();
const states = session.inputNames.filter((name) => name !== 'tokens');
const feeds = Object.fromEntries(
  states.map((name) => {
    const { size } = layers[Number(/\d+/.exec(name)[0])];
    return [name, new ort.Tensor('float32', new Float32Array(size), [1, 1, size])];
  }),
);
let token = 0n;

async function step() {
  feeds.tokens = new ort.Tensor('int64', BigInt64Array.of(token), [1, 1]);
  const results = await session.run(feeds);
  for (const name of states) feeds[name] = results[name.replace('_in', '_out')];
  const { data } = results.logits;
  let best = 0;
  for (let v = 1; v < data.length; v++) if (data[v] > data[best]) best = v;
  token = BigInt(best);
  return 1;
}

const home = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
await serve({ version, chosen: `exported model, ${threads} threads`, step });
