/** Runs that are stopped and go on: to the same bits as one that never was, wherever it was stopped. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { LanguageModel } from 'timernn';
import type { EpochMetrics } from '#src/train/record.js';
import { randomIntegers } from '../helpers/compare.js';
import { digest, folderOf, loadedModel, newModel, weights } from '../models/helpers/models.js';
import { checkpointsOf, corpus, heldOut, metricsOf, newest, RECIPES, record, text } from './helpers/recorded.js';

/** Everything of an epoch's line that does not depend on the clock. */
const lasting = ({ seconds: _, tokensPerSecond: __, ...rest }: EpochMetrics) => rest;

for (const [name, { shape, options }] of Object.entries(RECIPES)) {
  test(`stopped at random windows, with 1 and 2 workers in turn: ${name}`, async (t) => {
    const folder = await folderOf(t);
    const straight = newModel(corpus, shape);
    await record(straight, text, { ...options, workers: 1, run: { directory: join(folder, 'straight') } });
    const want = await digest(straight);

    const directory = join(folder, 'stopped');
    const rounds = randomIntegers(60, 23, 5);
    let model: LanguageModel;
    let starts = 0;
    for (let over = false; !over; starts++) {
      // Other parameters: those of the run come from the directory, whatever the model had.
      model = starts === 0 ? newModel(corpus, shape) : await loadedModel(corpus, { ...shape, seed: 99 });
      const run = { directory, resume: true, checkpointWindows: 17 };
      let left = rounds[starts % rounds.length]! + 1;
      over = await record(model, text, { ...options, workers: 1 + (starts % 2), reportEvery: 7, run }, (_, abort) => {
        left--;
        if (left === 0 && starts % 3 < 2) setImmediate(abort);
        return left === 0 && starts % 3 === 2;
      });
    }
    t.true(starts >= 4, `${starts} starts`);
    t.is(await digest(model!), want);
    const lines = await metricsOf(directory);
    t.deepEqual(
      lines.map(({ epoch }) => epoch),
      lines.map((_, i) => i + 1),
    );
    t.deepEqual(lines.map(lasting), (await metricsOf(join(folder, 'straight'))).map(lasting));
    const states = [await newest(directory), await newest(join(folder, 'straight'))].map(({ state }) => state);
    t.deepEqual(states[0]!.judgement, states[1]!.judgement);
    t.is(states[0]!.tokens, states[1]!.tokens);
    if (options.optimizer !== undefined && typeof options.optimizer === 'object') {
      const { averageFrom, done } = states[0]!;
      t.true(averageFrom !== null && averageFrom < done, `averaged after ${averageFrom} of ${done} updates`);
    }
  });
}

test('an abort writes a checkpoint of the last window that was trained', async (t) => {
  const { shape, options } = RECIPES.plain!;
  const directory = join(await folderOf(t), 'run');
  const going = { ...options, reportEvery: 10, run: { directory } };
  let seen = 0;
  await record(newModel(corpus, shape), text, going, ({ epoch, window }, abort) => {
    if (epoch !== 1 || window < 30) return false;
    seen = window;
    abort();
    return false;
  });
  const { state } = await newest(directory);
  t.is(seen, 30);
  t.deepEqual([state.epoch, state.window], [1, 30]);
});

test('stopped between the last window of an epoch and its measurement', async (t) => {
  const { shape, options } = RECIPES.averaged!;
  const straight = newModel(corpus, shape);
  await record(straight, text, { ...options, workers: 2 });
  const directory = join(await folderOf(t), 'run');
  const model = newModel(corpus, shape);
  // One window a round. The abort comes when nothing but the worker's answer to the last one is waited for.
  const going = { ...options, workers: 2, reportEvery: 1, run: { directory, resume: true } };
  let last = 0;
  await record(model, text, going, ({ epoch, window, windows }, abort) => {
    last = windows;
    if (epoch === 1 && window === windows - 1) process.nextTick(abort);
    return false;
  });
  const { state } = await newest(directory);
  t.is(state.epoch, 1);
  t.is(state.window, last);
  t.is(state.judgement.losses.length, 1, 'the epoch is not measured yet');
  const windows: number[] = [];
  t.true(
    await record(model, text, { ...going, reportEvery: 1e6 }, (progress) => {
      windows.push(progress.window);
      if (windows.length === 1) {
        t.is(progress.epoch, 1);
        t.true(progress.epochEnd && progress.heldOutLoss! > 0 && progress.gradientNorm > 0);
      }
      return false;
    }),
  );
  t.is(await digest(model), await digest(straight));
});

test('a run that has ended: nothing is trained, and the model has what it was for', async (t) => {
  const { shape, options } = RECIPES.plateau!;
  const directory = join(await folderOf(t), 'run');
  const model = newModel(corpus, shape);
  await record(model, text, { ...options, run: { directory } });
  const other = await loadedModel(corpus, { ...shape, seed: 5 });
  const again = record(other, text, { ...options, run: { directory, resume: true } }, () => t.fail() as never);
  t.true(await again);
  t.is(await digest(other), await digest(model));
  t.is(await digest(await LanguageModel.load(join(directory, 'best.safetensors'))), await digest(model));
});

test('more epochs: a run that has ended goes on as if they had been asked for at first', async (t) => {
  const { shape, options } = RECIPES.averaged!;
  const directory = join(await folderOf(t), 'run');
  const straight = newModel(corpus, shape);
  await record(straight, text, { ...options, epochs: 3 });
  await record(newModel(corpus, shape), text, { ...options, epochs: 1, run: { directory } });
  const model = newModel(corpus, shape);
  await record(model, text, { ...options, epochs: 3, run: { directory, resume: true } });
  t.is(await digest(model), await digest(straight));
  const fewer = record(model, text, { ...options, epochs: 2, run: { directory, resume: true } });
  await t.throwsAsync(fewer, {
    code: 'ERR_TIMERNN_OPTION',
    message: /^Expected epochs to be as in the run .*, 3, got 2; put it back, or choose a new directory$/,
  });
});

test('a run that ended early stays ended', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const options = { streams: 4, window: 16, heldOut, learningRate: 0, patience: 2, epochs: 50, run: { directory } };
  let epochs = 0;
  await record(newModel(corpus), text, options, ({ epochEnd }) => {
    epochs += Number(epochEnd);
    return false;
  });
  t.is(epochs, 3);
  const again = { ...options, epochs: 60, run: { directory, resume: true } };
  t.true(await record(newModel(corpus), text, again, () => t.fail() as never));
});

test('checkpoints: exactly where they were asked for, the last ones kept, and where the loop was left', async (t) => {
  const { shape, options } = RECIPES.plain!;
  const directory = join(await folderOf(t), 'run');
  const all = { ...options, epochs: 1, reportEvery: 10 };
  const model = newModel(corpus, shape);
  const ends: number[] = [];
  await record(model, text, { ...all, run: { directory, checkpointWindows: 16, keep: 1000 } }, ({ window }) => {
    ends.push(window);
    return false;
  });
  // 1800 steps of each stream: 113 windows.
  t.deepEqual(ends.slice(0, 6), [10, 16, 26, 32, 42, 48], 'a round ends where a checkpoint is due');
  const names = [0, 16, 32, 48, 64, 80, 96, 112, 113].map((done) => `${String(done).padStart(10, '0')}.safetensors`);
  t.deepEqual(await checkpointsOf(directory), names);
  await rm(directory, { recursive: true });
  await record(newModel(corpus, shape), text, { ...all, run: { directory, checkpointWindows: 16 } });
  t.deepEqual(await checkpointsOf(directory), names.slice(-2));
  await rm(directory, { recursive: true });
  await record(newModel(corpus, shape), text, { ...all, run: { directory, keep: 1 } }, ({ window }) => window === 30);
  t.deepEqual(await checkpointsOf(directory), ['0000000030.safetensors']);
  await rm(directory, { recursive: true });
  const often = { directory, checkpointSeconds: 1e-9, keep: 5 };
  await record(newModel(corpus, shape), text, { ...all, run: often }, ({ window }) => window === 30);
  t.deepEqual(
    (await checkpointsOf(directory)).map((name) => Number.parseInt(name, 10)),
    [26, 27, 28, 29, 30],
    'due after every window, once the speed is known',
  );
});

test('best.safetensors is the model as it was best, while the run goes on', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const learningRate = (epoch: number) => (epoch < 1 ? 0.5 : 50);
  const options = { streams: 4, window: 16, epochs: 3, heldOut, learningRate, keepBest: false, run: { directory } };
  const model = newModel(corpus);
  let best = '';
  await record(model, text, options, ({ epoch, epochEnd }) => {
    if (epochEnd && epoch === 0) return true;
    return false;
  });
  best = await digest(model);
  await record(model, text, { ...options, run: { directory, resume: true } });
  t.not(await digest(model), best);
  t.is(await digest(await LanguageModel.load(join(directory, 'best.safetensors'))), best);
  t.true([...(await weights(model)).values()].every((values) => values.every(Number.isFinite)));
});

test('without held-out text there is no best model, and the lines do not speak of it', async (t) => {
  const { shape, options } = RECIPES.plain!;
  const directory = join(await folderOf(t), 'run');
  await record(newModel(corpus, shape), text, { ...options, run: { directory } });
  for (const line of await metricsOf(directory)) {
    t.deepEqual(Object.keys(line), [
      'epoch',
      'tokens',
      'loss',
      'perplexity',
      'learningRate',
      'tokensPerSecond',
      'seconds',
    ]);
  }
  await t.throwsAsync(LanguageModel.load(join(directory, 'best.safetensors')), { code: 'ERR_TIMERNN_FILE' });
});
