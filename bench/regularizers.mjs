/**
 * npm run bench:regularizers: what dropout, weight drop, penalties and optimisers add to a training step.
 *
 *   --workload W2          one of the language models
 *   --rounds 5             how often all of them take their turn
 *   --windows 24           windows of a turn
 *   --workers 2
 *
 * Plain SGD without noise is what the others are compared with, each with the turn of the same round.
 */
import { parseArgs } from 'node:util';
import { Corpus, LanguageModel } from 'timernn';
import { choose, positive } from './options.mjs';
import { random } from './ours/random.mjs';
import { table } from './table.mjs';
import { workloads } from './workloads.mjs';

/** Windows that are not counted: pages are touched for the first time. */
const WARM = 3;

const DROPS = { inputDropout: 0.5, layer: { dropout: 0.5 } };
const CASES = [
  ['plain SGD', {}, {}],
  ['dropout 0.5 everywhere', DROPS, {}],
  ['the same, locked', { ...DROPS, dropoutKind: 'locked' }, {}],
  ['word dropout 0.1', { wordDropout: 0.1 }, {}],
  ['weight drop 0.5', { layer: { weightDrop: 0.5 } }, {}],
  ['both penalties', {}, { activationPenalty: 2, temporalPenalty: 1 }],
  ['tied', { tied: true }, {}],
  ['weight decay', {}, { weightDecay: 1e-4 }],
  ['momentum', {}, { optimizer: 'momentum', learningRate: 0.1 }],
  ['Adam', {}, { optimizer: 'adam', learningRate: 1e-3 }],
  ['SGD, averaged', {}, { optimizer: { name: 'sgd', averageFrom: 0 } }],
  [
    'all of AWD-LSTM',
    {
      ...{ tied: true, dropoutKind: 'locked', inputDropout: 0.4, wordDropout: 0.1 },
      layer: { dropout: 0.25, weightDrop: 0.5 },
    },
    {
      ...{ activationPenalty: 2, temporalPenalty: 1, weightDecay: 1e-6 },
      optimizer: { name: 'sgd', averageFrom: 0 },
    },
  ],
];

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: { workload: text('W2'), rounds: text('5'), windows: text('24'), workers: text('2') },
});
const models = workloads.filter(({ kind }) => kind === 'lm');
const [{ name, cell, layers, N, T, D, H, V, lr, clip }, another] = choose('workload', values.workload, models);
if (another !== undefined) throw new Error(`Expected --workload to be one, got ${values.workload}`);
const [rounds, windows, workers] = ['rounds', 'windows', 'workers'].map((key) => Math.ceil(positive(key, values[key])));

const numbers = random(1);
// One more than is counted: an epoch's last report comes late, behind what follows from it.
const length = N * (T * (windows + WARM + 1) + 1);
const tokens = Uint32Array.from({ length }, () => Math.floor(numbers.next().value * V));
const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Milliseconds of a window, the median of a turn. */
async function turn([, { layer, ...model }, train]) {
  const made = new LanguageModel({
    vocabulary: corpus.vocabulary,
    embedding: D,
    layers: Array.from({ length: layers }, () => ({ cell, size: H, ...layer })),
    ...model,
  });
  const options = { streams: N, window: T, workers, learningRate: lr, clip, reportEvery: 1, ...train };
  const times = [];
  for await (const { tokensPerSecond, epochEnd } of made.train(corpus, options)) {
    if (!epochEnd) times.push((N * T * 1000) / tokensPerSecond);
  }
  return median(times.slice(WARM));
}

const times = CASES.map(() => []);
for (let round = 0; round < rounds; round++) for (const [i, one] of CASES.entries()) times[i].push(await turn(one));
const ratio = (list) => median(list.map((time, round) => time / times[0][round]));
const rows = CASES.map(([what], i) => [what, median(times[i]).toFixed(1), ratio(times[i]).toFixed(3)]);
console.log(
  `${name}, ${workers} workers, medians of ${rounds} rounds of ${windows} windows, Node ${process.versions.node}\n`,
);
console.log(table(['', 'ms a window', 'against plain SGD'], rows));
