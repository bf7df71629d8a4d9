/** What the addon does with callers that mean harm, or that are ended at the wrong moment: it throws, and never dies. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { native } from '#src/native.js';
import { call as round, tinyRun } from '../pool/helpers/runs.js';

const call = { ...round, rank: 0, workers: 1, to: 1 };

test('a getter that empties the array which it belongs to', async (t) => {
  const { spec, offsets } = await tinyRun();
  const shrinking = [...offsets];
  Object.defineProperty(shrinking, 0, {
    get: () => {
      shrinking.length = 1;
      return 0;
    },
  });
  t.throws(() => new native.Stepper(spec, shrinking), { code: 'ERR_TIMERNN_OPTION', message: /offset/ });
});

test('a getter that gives another array each time is asked once', async (t) => {
  const run = await tinyRun();
  let asked = 0;
  const changing = {
    ...run,
    get params() {
      return asked++ === 0 ? run.params : new Float32Array(1);
    },
  };
  const runner = new native.Runner(changing);
  t.is(asked, 1);
  t.true(runner.run(call).lossSum > 0);
});

test('places for the work of ranks that are no such thing, or of another size', async (t) => {
  const run = await tinyRun();
  const floats = native.workFloats(run.spec, run.shardRows[0]!, run.window);
  for (const work of [5, [new Float32Array(floats + 1)], [new Float64Array(floats)], [null]] as never[]) {
    t.throws(() => new native.Runner({ ...run, work }), { code: 'ERR_TIMERNN_SHAPE', message: /^Expected work/ });
  }
  // None at all: nobody helps anybody, and the numbers are the same.
  const { work, ...alone } = run;
  t.is(work?.length ?? 0, floats > 0 ? 2 : 0);
  const other = await tinyRun();
  t.is(new native.Runner(alone).run(call).lossTotal, new native.Runner(other).run(call).lossTotal);
  t.deepEqual(run.params, other.params);
});

test('factors of the learning rate: not one a tensor, or no numbers', async (t) => {
  const run = await tinyRun();
  const ones = run.offsets.map(() => 1);
  for (const [rateFactors, code] of [
    [[1], 'ERR_TIMERNN_SHAPE'],
    [5, 'ERR_TIMERNN_SHAPE'],
    [[...ones.slice(1), -1], 'ERR_TIMERNN_OPTION'],
    [[...ones.slice(1), Number.NaN], 'ERR_TIMERNN_OPTION'],
    [[...ones.slice(1), 'x'], 'ERR_TIMERNN_OPTION'],
  ] as [never, string][]) {
    t.throws(() => new native.Runner({ ...run, rateFactors }), { code });
  }
  const before = run.params.slice();
  new native.Runner({ ...run, rateFactors: ones.map(() => 0) }).run(call);
  t.deepEqual(run.params, before);
});

test('an average without an arena for it, or with one of another size', async (t) => {
  const run = await tinyRun();
  t.deepEqual(run.slots, [], 'SGD has none of its own');
  for (const slots of [[], [new Float32Array(3)], [new Float32Array(run.params.length), new Float32Array(1)]]) {
    t.throws(() => new native.Runner({ ...run, slots, averages: true }), { code: 'ERR_TIMERNN_SHAPE' });
  }
  const average = new Float32Array(run.params.length);
  new native.Runner({ ...run, slots: [average], averages: true }).run({ ...call, averageFrom: 0 });
  t.true(average.some((x) => x !== 0));
});

for (const [name, bad] of Object.entries({ rank: { rank: 5_000_000 }, windows: { to: 1e9 } })) {
  test(`a round outside of its run: ${name}`, async (t) => {
    const runner = new native.Runner(await tinyRun());
    t.throws(() => runner.run({ ...call, ...bad }), { code: 'ERR_TIMERNN_OPTION', message: /^Expected a rank below/ });
  });
}

test('a thread that ends before its task comes lets the other ranks out of their barrier', async (t) => {
  const run = await tinyRun();
  const rank = (waits: boolean) =>
    new Worker(new URL('./helpers/rank.js', import.meta.url), { workerData: { run, waits } });
  const waiting = rank(true);
  // Where the fix is missing, this ends the wait.
  t.teardown(() => native.poison(run.control));
  t.deepEqual(await once(waiting, 'message'), ['ready']);
  const left = once(waiting, 'message');
  await once(rank(false), 'exit');
  t.deepEqual(await left, ['ERR_TIMERNN_WORKER']);
});

// Skipped elsewhere: only Linux can take address space away from a process before it starts.
const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('memory that runs out in a constructor is an error, not the end of the process', (t) => {
  const layers = fileURLToPath(new URL('../../../dist/layers/index.js', import.meta.url));
  const script = `import { RNN } from ${JSON.stringify(layers)};
    try { new RNN({ inputSize: 1, hiddenSize: 26000 }); } catch (error) { console.log(error.code); }`;
  // Wh and its gradient take 5 GiB, which nobody writes to; their initialisation would take 5 GiB more.
  const command = `ulimit -v 8000000 && exec "$0" --input-type=module -e "$1"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command, process.execPath, script], { encoding: 'utf8' });
  t.is(status, 0, stderr);
  t.regex(stdout, /^ERR_TIMERNN_(NATIVE|SHAPE)$/m);
});
