/** Runs that are ended early: where they end, what they leave, and that the model can be used afterwards. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { Corpus, type TrainProgress } from 'timernn';
import { charCorpus, digest, isCode, newModel, train } from '../models/helpers/models.js';

const corpus = charCorpus(20_000);
/** 625 windows an epoch. */
const options = { streams: 4, window: 8, workers: 3, learningRate: 0.5 };
const reason = new Error('the reason');

test('an abort within a round: all ranks stop at one edge, and the parameters are those of that edge', async (t) => {
  const model = newModel(corpus);
  const controller = new AbortController();
  const reports: TrainProgress[] = [];
  const run = async () => {
    const { signal } = controller;
    for await (const progress of model.train(corpus, { ...options, epochs: 1e6, reportEvery: 625, signal })) {
      reports.push(progress);
      // Fires while the next round is under way: the loop is waiting for it by then.
      setImmediate(() => controller.abort(reason));
    }
  };
  t.is(await t.throwsAsync(run()), reason);
  const { epoch, window, tokens } = reports.at(-1)!;
  t.is(tokens, (epoch * 625 + window) * 4 * 8 - epoch * 4, 'what was finished is reported');
  const twin = newModel(corpus);
  await train(
    twin,
    corpus,
    { ...options, epochs: epoch + 1, reportEvery: 1 },
    (p) => p.epoch === epoch && p.window === window,
  );
  t.is(await digest(twin), await digest(model));
});

test('an abort does not wait for the end of its round', async (t) => {
  // Six million barriers in one round: far longer than the abort takes to come.
  const long = Corpus.fromTokens(new Uint32Array(2_000_001), { vocabularySize: 2 });
  const controller = new AbortController();
  const { signal } = controller;
  const run = newModel(long).train(long, { streams: 2, window: 1, workers: 2, reportEvery: 2_000_000, signal });
  setTimeout(() => controller.abort(reason), 500);
  const outcome = await run.next().catch((error: unknown) => error);
  // Either the threads were still starting, or the round is cut short and says how far it came.
  if (outcome !== reason) {
    const { window, windows, epochEnd } = (outcome as IteratorYieldResult<TrainProgress>).value;
    t.true(window < windows && !epochEnd, `${window} of ${windows} windows`);
    t.is(await t.throwsAsync(run.next()), reason);
  }
  t.true((await run.next()).done);
});

test('after an abort the model asks, saves and trains as before', async (t) => {
  const model = newModel(corpus);
  const controller = new AbortController();
  const run = train(model, corpus, { ...options, epochs: 1e6, signal: controller.signal }, () => {
    controller.abort(reason);
    return false;
  });
  t.is(await t.throwsAsync(run), reason);
  t.true(Number.isFinite(await model.perplexity(corpus, { streams: 8 })));
  t.like(await train(model, corpus, { ...options, reportEvery: 10 }, () => true), { window: 10 });
});

test('an abort in the loop’s body: no further window', async (t) => {
  const model = newModel(corpus);
  const controller = new AbortController();
  let last = 0;
  const run = async () => {
    for await (const { window } of model.train(corpus, { ...options, reportEvery: 7, signal: controller.signal })) {
      last = window;
      if (window === 21) controller.abort(reason);
    }
  };
  t.is(await t.throwsAsync(run()), reason);
  t.is(last, 21);
  const twin = newModel(corpus);
  await train(twin, corpus, { ...options, reportEvery: 21 }, () => true);
  t.is(await digest(twin), await digest(model));
});

test('an abort while the threads start', async (t) => {
  const controller = new AbortController();
  const model = newModel(corpus);
  const first = model.train(corpus, { ...options, signal: controller.signal }).next();
  await turn();
  controller.abort(reason);
  t.is(await t.throwsAsync(first), reason);
  t.is(await digest(model), await digest(newModel(corpus)));
});

test('a signal that is aborted already: its reason, and no window', async (t) => {
  const model = newModel(corpus);
  const signal = AbortSignal.abort(reason);
  t.is(await t.throwsAsync(train(model, corpus, { ...options, signal })), reason);
  t.is(await digest(model), await digest(newModel(corpus)));
  // The default reason is a DOMException, which AVA does not count among the errors.
  const thrown = await train(model, corpus, { ...options, signal: AbortSignal.abort() }).catch(
    (error: unknown) => error,
  );
  t.is((thrown as DOMException).name, 'AbortError');
});

test('a signal whose reason is no error at all', async (t) => {
  const run = newModel(corpus).train(corpus, { ...options, signal: AbortSignal.abort('stop, please') });
  t.is(await run.next().then(String, (thrown: unknown) => thrown), 'stop, please');
});

test('leaving the loop: the parameters are those of the last report', async (t) => {
  const model = newModel(corpus);
  await train(model, corpus, { ...options, reportEvery: 10 }, ({ window }) => window === 30);
  const twin = newModel(corpus);
  await train(twin, corpus, { ...options, reportEvery: 30 }, () => true);
  t.is(await digest(model), await digest(twin));
});

test('return() while a round runs ends the run after that round', async (t) => {
  const model = newModel(corpus);
  const run = model.train(corpus, { ...options, reportEvery: 10 });
  const [first, left, after] = await Promise.all([run.next(), run.return(), run.next()]);
  t.is(first.done, false);
  t.true(left.done && after.done);
  t.like(await train(model, corpus, { ...options, reportEvery: 10 }, () => true), { window: 10 });
});

test('an error in the loop’s body is the consumer’s own', async (t) => {
  const model = newModel(corpus);
  const mine = new RangeError('mine');
  const run = async () => {
    for await (const _ of model.train(corpus, options)) throw mine;
  };
  t.is(await t.throwsAsync(run()), mine);
  t.like(await train(model, corpus, { ...options, reportEvery: 10 }, () => true), { window: 10 });
});

test('a second train() while one runs is refused, and the first goes on', async (t) => {
  const model = newModel(corpus);
  const first = model.train(corpus, { ...options, reportEvery: 10 });
  await first.next();
  await t.throwsAsync(model.train(corpus, options).next(), isCode('ERR_TIMERNN_BUSY'));
  t.like((await first.next()).value, { window: 20 });
  await first.return();
  t.like(await train(model, corpus, { ...options, reportEvery: 10 }, () => true), { window: 10 }, 'free again');
});

test('an iterator that is made but not begun does not keep the model busy', async (t) => {
  const model = newModel(corpus);
  const idle = model.train(corpus, options);
  t.like(await train(model, corpus, { ...options, reportEvery: 10 }, () => true), { window: 10 });
  await idle.return();
  t.true((await idle.next()).done);
});
