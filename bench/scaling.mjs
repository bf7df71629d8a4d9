/**
 * npm run bench:scaling: fits the cost model of docs/scaling.md to this machine, checks it on sizes and on a number of
 * workers that it has not seen, and says what it expects of more cores.
 *
 * A window on W workers and S shards costs the slowest rank
 *
 *   seconds = a·operations + b·exponentials + c·packed floats + d·reduced bytes + e
 *
 * Refuses to judge: it prints what was measured, what the model says, and the difference.
 */
import { Corpus } from 'timernn';
import { RoundPool } from '#src/pool/round-pool.js';
import { median } from './measure.mjs';
import { random } from './ours/random.mjs';
import { layOut } from './ours/run.mjs';
import { gates, weightsPerToken } from './workloads.mjs';

const model = (cell, layers, N, T, D, H, V) => ({ kind: 'lm', cell, layers, N, T, D, H, V });

/** What the five constants are fitted on, with one worker. */
const FITTED = [
  model('rnn', 1, 20, 35, 100, 100, 10_000),
  model('rnn', 1, 32, 64, 64, 512, 96),
  model('rnn', 1, 16, 32, 32, 128, 64),
  model('lstm', 2, 20, 35, 200, 200, 10_000),
  model('lstm', 1, 32, 20, 256, 256, 2000),
  model('gru', 1, 64, 16, 128, 128, 500),
  model('rnn', 1, 32, 8, 256, 256, 5000),
];

/** What it is checked on: other N, T, H, V, depths and cells; these and the fitted ones with two workers. */
const CHECKED = [
  model('rnn', 1, 64, 35, 100, 100, 10_000),
  model('rnn', 1, 32, 16, 64, 512, 96),
  model('lstm', 1, 32, 32, 400, 400, 1000),
  model('gru', 2, 20, 35, 200, 200, 10_000),
  model('rnn', 2, 32, 64, 64, 256, 30_000),
];

/** Shards as the trainer chooses them where nobody says otherwise. */
const shardsOf = ({ N }) => Math.max(2, 2 ** Math.ceil(Math.log2(N / 16)));

/** What rank 0 does in a window; see docs/scaling.md for each. */
export function work(workload, workers, shards = shardsOf(workload)) {
  const { N, T, D, H, V, layers, cell } = workload;
  const weights = weightsPerToken(workload);
  const tokens = (Math.ceil(shards / workers) / shards) * N * T;
  const dense = weights + V + layers * gates[cell] * H; // the embedding goes by rows
  return {
    operations: 6 * weights * tokens,
    exponentials: tokens * (V + layers * gates[cell] * H),
    packed: (2 * weights) / workers,
    bytes: (4 * dense * (shards + 1 + 3) + 4 * D * N * T * 3) / workers,
    windows: 1,
  };
}

const TERMS = ['operations', 'exponentials', 'packed', 'bytes', 'windows'];

/** Seconds of a window by the model. */
export const predict = (constants, amounts) =>
  TERMS.reduce((sum, term, i) => sum + constants[i] * Math.max(0, amounts[term]), 0);

/** Least squares on relative errors; a constant that would be negative is left at zero. */
function leastSquares(samples) {
  let used = TERMS.map((_, i) => i);
  for (;;) {
    const rows = samples.map(({ amounts, seconds }) => used.map((i) => amounts[TERMS[i]] / seconds));
    const solved = solve(
      used.map((_, i) => used.map((_, j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0))),
      used.map((_, i) => rows.reduce((sum, row) => sum + row[i], 0)),
    );
    const worst = solved.indexOf(Math.min(...solved));
    if (solved[worst] >= 0) {
      const constants = TERMS.map(() => 0);
      for (const [at, i] of used.entries()) constants[i] = solved[at];
      return constants;
    }
    used = used.filter((_, at) => at !== worst);
  }
}

/** Gaussian elimination with the largest pivot; columns are scaled first, since the terms differ by powers of ten. */
function solve(matrix, right) {
  const scale = matrix.map((row, i) => Math.sqrt(row[i]));
  const m = matrix.map((row, i) => [...row.map((x, j) => x / (scale[i] * scale[j])), right[i] / scale[i]]);
  const n = m.length;
  for (let c = 0; c < n; c++) {
    const pivot = m.reduce((best, row, r) => (r >= c && Math.abs(row[c]) > Math.abs(m[best][c]) ? r : best), c);
    [m[c], m[pivot]] = [m[pivot], m[c]];
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = m[r][c] / m[c][c];
      for (let k = c; k <= n; k++) m[r][k] -= factor * m[c][k];
    }
  }
  return m.map((row, i) => row[n] / row[i] / scale[i]);
}

/** Median seconds of a window over rounds of about a tenth of a second. */
async function measure(workload, workers, seconds = 1.2) {
  const { N, T, V } = workload;
  const numbers = random(1);
  const tokens = Uint32Array.from({ length: N * T * 400 }, () => Math.floor(numbers.next().value * V));
  const corpus = Corpus.fromTokens(tokens, { vocabularySize: V });
  const options = { streams: N, window: T, shards: shardsOf(workload), learningRate: 0.1, clip: 1 };
  const { windows, run, call } = await layOut(workload, corpus, options);
  const pool = new RoundPool({ run, workers });
  const rounds = [];
  try {
    await pool.prepare();
    let count = 1;
    const start = performance.now();
    // The first rounds fault the memory in, so there must be others.
    for (let from = 0; performance.now() - start < seconds * 1000 || rounds.length < 5; ) {
      const to = Math.min(windows, from + count);
      const began = performance.now();
      await pool.round(call(from, to));
      const each = (performance.now() - began) / (to - from) / 1000;
      rounds.push(each);
      count = Math.max(1, Math.min(count * 4, Math.round(0.1 / each)));
      from = to >= windows ? 0 : to;
    }
  } finally {
    await pool.close();
  }
  return median(rounds.slice(2));
}

const name = ({ cell, layers, N, T, D, H, V }) => `${cell} ${layers}×${H}, D ${D}, V ${V}, N ${N}, T ${T}`;
const ms = (seconds) => (seconds * 1000).toFixed(2);

function row(workload, workers, constants, seconds) {
  const expected = predict(constants, work(workload, workers));
  const error = `${(100 * (expected / seconds - 1)).toFixed(0)} %`;
  return `| ${name(workload)} | ${workers} | ${ms(seconds)} | ${ms(expected)} | ${error} |`;
}

/** What a server of today moves between memory and all its cores, in bytes a second: an assumption. */
const SERVER_MEMORY = 350e9;
/** Seconds that one more doubling of the ranks adds to the barriers of a window: an assumption. */
const BARRIERS = 5e-6;

/** Seconds of a window on a larger machine: its cores share the memory, and meet at the barriers. */
function onServer(workload, cores, constants) {
  const amounts = work(workload, cores);
  const shared = amounts.bytes * Math.max(0, cores / SERVER_MEMORY - constants[TERMS.indexOf('bytes')]);
  return predict(constants, amounts) + shared + BARRIERS * Math.log2(cores);
}

/** What the model expects of `cores` cores where the streams grow with them, and the share of perfect scaling. */
function expectation(workload, cores, constants) {
  const perCore = 16;
  const speed = (N, count) => (N * workload.T) / onServer({ ...workload, N }, count, constants);
  const many = speed(perCore * cores, cores);
  // One core with as many rows of its own, in the two shards that the trainer makes at least.
  const one = speed(2 * perCore, 1);
  return `${Math.round(many / 1000)}k (${((100 * many) / one / cores).toFixed(0)} %)`;
}

async function main() {
  const samples = [];
  for (const workload of FITTED) {
    samples.push({ workload, amounts: work(workload, 1), seconds: await measure(workload, 1) });
  }
  const constants = leastSquares(samples);
  console.log('Constants:', Object.fromEntries(TERMS.map((term, i) => [term, constants[i].toExponential(3)])));
  console.log(`That is ${(1e-9 / constants[0]).toFixed(1)} GFLOP/s a core.\n`);
  console.log('| model | workers | measured ms | model ms | error |\n|---|--:|--:|--:|--:|');
  for (const { workload, seconds } of samples) console.log(row(workload, 1, constants, seconds), '(fitted)');
  for (const workload of CHECKED) console.log(row(workload, 1, constants, await measure(workload, 1)));
  for (const workload of [...FITTED, ...CHECKED]) {
    console.log(row(workload, 2, constants, await measure(workload, 2)));
  }
  const big = model('lstm', 2, 20, 35, 650, 650, 10_000);
  console.log('\nExpected tokens/s with 16 streams a core (share of that many times one core with 32 streams):\n');
  console.log('| model | 2 cores | 16 cores | 64 cores | 128 cores |\n|---|--:|--:|--:|--:|');
  for (const workload of [FITTED[0], FITTED[3], FITTED[1], big, FITTED[2]]) {
    const cells = [2, 16, 64, 128].map((cores) => expectation(workload, cores, constants));
    console.log(`| ${name(workload)} | ${cells.join(' | ')} |`);
  }
}

await main();
