/** Held-out text inside a run: what is measured, what follows from it, and what the model ends with. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { LanguageModel, TrainOptions, TrainProgress } from 'timernn';
import { largestDifference } from '../helpers/compare.js';
import {
  charCorpus,
  digest,
  fileWeights,
  folderOf,
  isCode,
  NOISY,
  newModel,
  train,
  weights,
} from '../models/helpers/models.js';

const corpus = charCorpus(12_000);
const { train: text, heldOut } = corpus.split({ heldOut: 0.1 });
const options: TrainOptions = { streams: 4, window: 16, workers: 2, heldOut };

/** All last reports of epochs, and the digest of the model in the loop's body after each. */
async function epochsOf(model: LanguageModel, more: TrainOptions) {
  const reports: TrainProgress[] = [];
  const digests: string[] = [];
  for await (const progress of model.train(text, { ...options, ...more })) {
    if (!progress.epochEnd) continue;
    reports.push(progress);
    digests.push(await digest(model));
  }
  return { reports, digests, losses: reports.map(({ heldOutLoss }) => heldOutLoss!) };
}

test('the last report of an epoch has what perplexity() says at that moment, without dropout', async (t) => {
  const model = newModel(corpus, NOISY);
  let epochs = 0;
  for await (const progress of model.train(text, { ...options, epochs: 2, reportEvery: 20, heldOutStreams: 3 })) {
    const { epochEnd, heldOutLoss, heldOutPerplexity, best } = progress;
    if (!epochEnd) {
      t.false('heldOutLoss' in progress || 'heldOutPerplexity' in progress || 'best' in progress);
      continue;
    }
    epochs++;
    t.is(heldOutPerplexity, await model.perplexity(heldOut, { streams: 3 }));
    t.is(heldOutPerplexity, Math.exp(heldOutLoss!));
    t.is(typeof best, 'boolean');
  }
  t.is(epochs, 2);
});

test('without heldOut no report speaks of it', async (t) => {
  const progress = await train(newModel(corpus), text, { streams: 4, window: 16 });
  t.true(progress.epochEnd);
  t.false('heldOutLoss' in progress || 'best' in progress);
});

/** Learns in the first two epochs, and ruins everything in the third. */
const ruin = (epoch: number) => (epoch < 2 ? 0.5 : 50);

test('a run that ends before its average began warns, and does not call its epochs averaged', async (t) => {
  const warned: string[] = [];
  const listener = (warning: Error & { code?: string }) => {
    if (warning.code === 'TIMERNN_NO_AVERAGE') warned.push(warning.message);
  };
  process.on('warning', listener);
  t.teardown(() => process.off('warning', listener));
  const few: TrainOptions = { ...options, window: 128, epochs: 2 };
  await train(newModel(corpus), text, { ...few, optimizer: { name: 'adam', averageFrom: 987_654 } });
  await train(newModel(corpus), text, {
    ...few,
    optimizer: { name: 'sgd', averageFrom: 'non-monotonic', patience: 43 },
  });
  const slow = { ...options, window: 128, epochs: 4, learningRate: 0.01 };
  await train(newModel(corpus), text, {
    ...slow,
    optimizer: { name: 'sgd', averageFrom: 'non-monotonic', patience: 1 },
  });
  await new Promise(setImmediate);
  const of = (what: RegExp) => warned.filter((message) => what.test(message)).length;
  t.is(of(/ended after \d+ updates, before its average began \(averageFrom is update 987654\)/), 1);
  t.is(of(/\(what starts it cannot come before the end of epoch 45\)/), 1);
  t.is(of(/\(held-out text had not stopped getting better, or only with the last epoch\)/), 1);
});

test('an average without held-out text: no epoch claims a measurement of it', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const { heldOut: _, ...few } = options;
  const optimizer = { name: 'adam', averageFrom: 3 } as const;
  await train(newModel(corpus), text, { ...few, learningRate: 0.01, optimizer, run: { directory } });
  const lines = (await readFile(join(directory, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  t.is(lines.length, 1);
  t.false('averaging' in JSON.parse(lines[0]!));
});

test('the model ends with the parameters that were best', async (t) => {
  const model = newModel(corpus);
  const { reports, digests, losses } = await epochsOf(model, { epochs: 4, learningRate: ruin });
  const best = losses.indexOf(Math.min(...losses));
  t.is(best, 1, losses.join());
  t.deepEqual(
    reports.map((report) => report.best),
    [true, true, false, false],
  );
  t.not(digests[3], digests[1]);
  t.is(await digest(model), digests[1]!);
});

test('keepBest: false leaves it with the last ones; so does leaving the loop', async (t) => {
  const model = newModel(corpus);
  const { digests } = await epochsOf(model, { epochs: 3, learningRate: ruin, keepBest: false });
  t.is(await digest(model), digests[2]!);
  const left = newModel(corpus);
  await train(
    left,
    text,
    { ...options, epochs: 4, learningRate: ruin },
    ({ epoch, epochEnd }) => epochEnd && epoch === 2,
  );
  t.is(await digest(left), digests[2]!);
});

test('patience ends the run, and the last report is that of an epoch’s end', async (t) => {
  const model = newModel(corpus);
  const { reports, digests } = await epochsOf(model, { epochs: 100, learningRate: ruin, patience: 2 });
  t.is(reports.length, 4);
  t.like(reports.at(-1), { epoch: 3, epochs: 100, epochEnd: true, best: false });
  t.is(await digest(model), digests[1]!);
});

test('a plateau: the step size falls, training goes on from the best parameters, momentum from none', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const model = newModel(corpus);
  const schedule = { kind: 'plateau', factor: 0.25, minimum: 5 } as const;
  const optimizer = { name: 'momentum', momentum: 0.5 } as const;
  const run = { directory, keep: 100 };
  const { reports, digests, losses } = await epochsOf(model, {
    ...{ epochs: 60, learningRate: 30, clip: 1, schedule, optimizer, run },
  });
  const bad = losses.findIndex((loss, epoch) => epoch > 0 && loss >= Math.min(...losses.slice(0, epoch)));
  t.true(bad > 0 && bad < reports.length - 1, losses.join());
  const best = losses.indexOf(Math.min(...losses.slice(0, bad)));
  t.is(digests[bad], digests[best], 'restored before the report is yielded');
  t.is(reports[bad]!.learningRate, 30);
  t.is(reports[bad + 1]!.learningRate, 7.5);
  const done = String((bad + 1) * reports[0]!.windows).padStart(10, '0');
  const tensors = await fileWeights(join(directory, 'checkpoints', `${done}.safetensors`));
  const slots = [...tensors].filter(([name]) => name.startsWith('slots.momentum.'));
  t.is(slots.length, 6);
  t.true(slots.every(([, values]) => values.every((value) => value === 0)));
  t.true(reports.length < 60, 'ended below the minimum');
  t.true(reports.at(-1)!.epochEnd && reports.at(-1)!.learningRate >= 5);
});

for (const [name, learningRate] of [
  ['asgd', 0.5],
  ['sgd', 0.5],
  ['adam', 0.01],
] as const) {
  test(`an average with ${name}: that of the parameters after each step is measured, and what the model ends with`, async (t) => {
    const model = newModel(corpus, { sizes: [9] });
    const steps: Map<string, Float32Array>[] = [];
    const optimizer = { name, averageFrom: 5 };
    const few = { ...options, window: 128, epochs: 1, learningRate, optimizer, reportEvery: 1 };
    let last: TrainProgress | undefined;
    for await (const progress of model.train(text, few)) {
      last = progress;
      steps.push(await weights(model));
    }
    // PyTorch's formula sets the average to the parameters twice: it is that of the steps from the second one on.
    const counted = steps.slice(6);
    for (const [name, values] of await weights(model)) {
      const mean = Float64Array.from(values, (_, i) =>
        counted.reduce((sum, step) => sum + step.get(name)![i]! / counted.length, 0),
      );
      t.true(largestDifference(values, mean) < 1e-5, name);
      t.not(largestDifference(steps.at(-1)!.get(name)!, mean), 0, 'the last parameters are others');
    }
    t.is(last!.heldOutPerplexity, await model.perplexity(heldOut), 'the loss is that of the average');
    t.true(last!.best);
  });
}

test('averaged SGD without held-out text: the average from the first step on', async (t) => {
  const model = newModel(corpus);
  let inside = '';
  for await (const _ of model.train(text, { streams: 4, window: 16, optimizer: 'asgd' })) inside = await digest(model);
  t.not(await digest(model), inside);
});

test('the non-monotonic trigger: until it comes, averaged SGD is SGD', async (t) => {
  const triggered = { name: 'asgd', averageFrom: 'non-monotonic', patience: 1 } as const;
  const rate = (epoch: number) => (epoch === 2 ? 30 : 0.5);
  const more = { epochs: 5, learningRate: rate, keepBest: false };
  // The same kernels: plain SGD sums the embedding's gradient by rows, in another order.
  const plain = await epochsOf(newModel(corpus), { ...more, optimizer: { name: 'asgd', averageFrom: 1e9 } });
  const averaged = await epochsOf(newModel(corpus), { ...more, optimizer: triggered });
  t.deepEqual(averaged.digests, plain.digests, 'the parameters themselves do not know of their average');
  t.deepEqual(averaged.losses.slice(0, 3), plain.losses.slice(0, 3), 'the trigger comes after the third epoch');
  for (const epoch of [3, 4]) t.not(averaged.losses[epoch], plain.losses[epoch]);
  t.deepEqual(
    averaged.reports.map(({ averaging }) => averaging),
    [undefined, undefined, undefined, true, true],
    'which losses are those of the average',
  );
  t.true(plain.reports.every((report) => !('averaging' in report)));
});

test('onProgress is called before each report is yielded, with the same report', async (t) => {
  const seen: TrainProgress[] = [];
  const more = { ...options, reportEvery: 50, onProgress: (progress: TrainProgress) => seen.push(progress) };
  let yielded = 0;
  for await (const progress of newModel(corpus).train(text, more)) t.is(seen[yielded++], progress);
  t.is(seen.length, yielded);
  const mine = new Error('mine');
  const throwing = {
    ...options,
    onProgress: () => {
      throw mine;
    },
  };
  t.is(await t.throwsAsync(train(newModel(corpus), text, throwing)), mine);
});

test('a promise of onProgress is awaited, and its rejection ends the run', async (t) => {
  let written = 0;
  const slow = {
    ...options,
    onProgress: async () => {
      await new Promise((done) => setTimeout(done, 20));
      written++;
    },
  };
  let yielded = 0;
  for await (const _ of newModel(corpus).train(text, slow)) t.is(written, ++yielded);
  const mine = new Error('the database is gone');
  const rejecting = { ...options, onProgress: () => Promise.reject(mine) };
  t.is(await t.throwsAsync(train(newModel(corpus), text, rejecting)), mine);
});

test('an abort while held-out text is measured', async (t) => {
  const controller = new AbortController();
  const reason = new Error('the reason');
  const model = newModel(corpus);
  // Thirty trips to the pool, and the signal is looked at before each.
  const long = charCorpus(60_000);
  const run = model.train(text, { ...options, heldOut: long, reportEvery: 1e6, signal: controller.signal });
  // The measurement makes a signal of the run's and its own: that is how it is known to have begun.
  const { any } = AbortSignal;
  t.teardown(() => Object.assign(AbortSignal, { any }));
  let measured = 0;
  AbortSignal.any = (signals) => {
    if ([...signals].includes(controller.signal) && ++measured === 1) setImmediate(() => controller.abort(reason));
    return any.call(AbortSignal, signals);
  };
  t.is(await t.throwsAsync(run.next()), reason);
  t.is(measured, 1);
  t.true((await run.next()).done);
  t.true(Number.isFinite(await model.perplexity(heldOut)), 'the model is free again');
});

test('held-out text that cannot be measured is refused when train is called', (t) => {
  const model = newModel(corpus);
  const call = (more: object) => () => model.train(text, more);
  t.throws(call({ heldOut, heldOutStreams: 1200 }), isCode('ERR_TIMERNN_CORPUS', /heldOutStreams to be at most 1199/));
  const other = charCorpus(500, 2).split({ heldOut: 0.5 }).heldOut;
  t.notThrows(call({ heldOut: other }), 'an equal vocabulary');
});
