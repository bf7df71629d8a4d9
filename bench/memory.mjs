/**
 * npm run bench:memory: resident memory of a long training, looked at ten times on the way.
 *
 *   --workload W8          one of the language models
 *   --windows 100000       how many windows are trained
 *   --workers 2
 *
 * One process trains through the public API. Memory that grows with the windows shows as a column that rises to its end.
 */
import { parseArgs } from 'node:util';
import { Corpus, LanguageModel } from 'timernn';
import { choose, positive } from './options.mjs';
import { random } from './ours/random.mjs';
import { table } from './table.mjs';
import { workloads } from './workloads.mjs';

const LOOKS = 10;
const WINDOWS_AN_EPOCH = 1000;
const MB = 2 ** 20;

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: 'W8' },
    windows: { type: 'string', default: '100000' },
    workers: { type: 'string', default: '2' },
  },
});
const models = workloads.filter(({ kind }) => kind === 'lm');
const [{ name, cell, layers, N, T, D, H, V, lr, clip }] = choose('workload', values.workload, models);
const windows = Math.ceil(positive('windows', values.windows));
const workers = Math.ceil(positive('workers', values.workers));

const numbers = random(1);
const tokens = Uint32Array.from({ length: N * (T * WINDOWS_AN_EPOCH + 1) }, () => Math.floor(numbers.next().value * V));
const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });
const model = new LanguageModel({
  vocabulary: corpus.vocabulary,
  embedding: D,
  layers: Array.from({ length: layers }, () => ({ cell, size: H })),
});
const epochs = Math.ceil(windows / WINDOWS_AN_EPOCH);
const rows = [];
for await (const round of model.train(corpus, { streams: N, window: T, epochs, workers, learningRate: lr, clip })) {
  const trained = round.tokens / (N * T);
  if (trained < ((rows.length + 1) * windows) / LOOKS) continue;
  const peak = process.resourceUsage().maxRSS * 1024;
  const cells = [Math.round(trained).toLocaleString('en'), process.memoryUsage().rss, peak];
  rows.push(cells.map((cell) => (typeof cell === 'number' ? (cell / MB).toFixed(1) : cell)));
}
console.log(`${name}, ${workers} workers, Node ${process.versions.node}\n`);
console.log(table(['windows', 'RSS, MB', 'peak so far, MB'], rows));
