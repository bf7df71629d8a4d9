/** The pool alone: rounds in lockstep, cancellation, and workers that die in every way. */
import test from 'ava';
import { native } from '#src/native.js';
import { RoundPool } from '#src/pool/round-pool.js';
import { bits } from '../helpers/compare.js';
import { isCode } from '../models/helpers/models.js';
import { call, dyingWorker, tinyRun } from './helpers/runs.js';

test('rounds do as many windows as asked, and the ranks agree', async (t) => {
  const pool = new RoundPool({ run: await tinyRun(), workers: 3 });
  t.teardown(() => pool.close());
  await pool.prepare();
  const first = await pool.round(call);
  t.like(first, { windows: 20, tokens: 20 * 4 * 8, stopped: false });
  const second = await pool.round({ ...call, from: 20, to: 30, done: 20 });
  t.like(second, { windows: 10, stopped: false });
  t.true(first.lossSum > 0 && first.gradientNorm > 0);
  t.deepEqual(Object.keys(first.seconds).sort(), ['reduce', 'update', 'wait', 'window']);
});

test('a round that is cancelled before it starts ends at its first edge, on all ranks', async (t) => {
  const run = await tinyRun();
  const pool = new RoundPool({ run, workers: 2 });
  t.teardown(() => pool.close());
  pool.cancel();
  t.like(await pool.round(call), { windows: 1, stopped: true });
  t.like(await pool.round({ ...call, from: 1, done: 1 }), { windows: 1, stopped: true }, 'and so does every later one');
});

const deaths: [mode: string, message: RegExp][] = [
  ['exit', /^A worker thread failed: /],
  ['throw', /^A worker thread failed: rank 1 throws$/],
  ['reject', /^A worker thread failed: rank 1 rejects$/],
];
for (const [mode, message] of deaths) {
  test(`rank 1 dies in a round (${mode}): the others come back, and the cause is told`, async (t) => {
    const pool = new RoundPool({ run: await tinyRun(mode), workers: 3, entry: dyingWorker });
    t.teardown(() => pool.close());
    await pool.prepare();
    await t.throwsAsync(pool.round(call), isCode('ERR_TIMERNN_WORKER', message));
    // A run that failed stays failed: no later round may go on with half an update.
    await t.throwsAsync(pool.round(call), isCode('ERR_TIMERNN_WORKER'));
  });
}

for (const mode of ['prepare', 'bootstrap', 'import']) {
  test(`all ranks fail before the first round (${mode})`, async (t) => {
    const pool = new RoundPool({ run: await tinyRun(mode), workers: 2, entry: dyingWorker });
    t.teardown(() => pool.close());
    await t.throwsAsync(pool.prepare(), isCode('ERR_TIMERNN_WORKER', /^A worker thread failed: /));
  });
}

test('a worker that cannot build its runner says why', async (t) => {
  const run = await tinyRun();
  const pool = new RoundPool({ run: { ...run, offsets: run.offsets.slice(1) }, workers: 2 });
  t.teardown(() => pool.close());
  await t.throwsAsync(pool.prepare(), isCode('ERR_TIMERNN_SHAPE', /offsets/));
});

test('one rank with an impossible call: its error is the cause, not the others’ release', async (t) => {
  const pool = new RoundPool({ run: await tinyRun(), workers: 2 });
  t.teardown(() => pool.close());
  const beyond = pool.round({ ...call, from: 10_000, to: 10_001 });
  const error = await t.throwsAsync(beyond, { name: 'TimeRNNError' });
  t.not((error as Error & { code: string }).code, 'ERR_TIMERNN_WORKER', error?.message);
});

test('a loss that is not finite: every rank leaves before the update', async (t) => {
  const run = await tinyRun();
  run.params[run.offsets.at(-1)!] = Number.NaN;
  const before = bits(run.params);
  const pool = new RoundPool({ run, workers: 3 });
  t.teardown(() => pool.close());
  await t.throwsAsync(pool.round(call), isCode('ERR_TIMERNN_DIVERGED', /finite loss and gradient.* in window 0/));
  t.is(bits(run.params), before);
});

test('many runs at once leave no listener behind and draw no warning', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const run = await tinyRun();
  const pools = Array.from(
    { length: 12 },
    () => new RoundPool({ run: { ...run, control: run.control.slice() }, workers: 1 }),
  );
  await Promise.all(pools.map((pool) => pool.close()));
  await new Promise(setImmediate);
  t.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  );
});

test('poison lets waiting ranks out', async (t) => {
  const run = await tinyRun('hang');
  const pool = new RoundPool({ run, workers: 2, entry: dyingWorker });
  await pool.prepare();
  const round = pool.round(call);
  native.poison(run.control);
  // Rank 1 never answers; ending the pool ends its thread, which counts as a death.
  const [outcome] = await Promise.allSettled([round, pool.close()]);
  t.is(outcome.status, 'rejected');
  t.like((outcome as PromiseRejectedResult).reason, { name: 'TimeRNNError', code: 'ERR_TIMERNN_WORKER' });
});

test('every rank may be slow to start: more workers than cores', async (t) => {
  const pool = new RoundPool({ run: await tinyRun(), workers: 8 });
  t.teardown(() => pool.close());
  t.like(await pool.round(call), { windows: 20, stopped: false });
});
