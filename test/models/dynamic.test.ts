/** Dynamic evaluation: a copy of the parameters follows the text; each token is predicted before it is learned from. */
import test from 'ava';
import { Corpus } from 'timernn';
import { RoundPool } from '#src/pool/round-pool.js';
import { charCorpus, digest, isCode, NOISY, newModel, train } from './helpers/models.js';

const corpus = charCorpus(4000);
const { train: text, heldOut } = corpus.split({ heldOut: 0.2 });

test('it is the loss of an epoch of SGD over one stream; the model is left as it is', async (t) => {
  const model = newModel(corpus);
  const before = await digest(model);
  const perplexity = await model.perplexity(heldOut, { dynamic: {} });
  t.is(await digest(model), before);
  const twin = newModel(corpus);
  const options = { streams: 1, shards: 1, window: 20, learningRate: 0.1, clip: 0.25, reportEvery: 1e6 };
  const { epochLoss, tokens } = await train(twin, heldOut, options);
  t.is(tokens, heldOut.length - 1, 'every token is counted once');
  t.true(Math.abs(Math.log(perplexity) / epochLoss - 1) < 1e-12);
  t.is(await model.perplexity(heldOut, { dynamic: {} }), perplexity, 'the same number from call to call');
});

// Serial, since it looks into what every run does.
test.serial('rounds are as long as ever, so that the last bits do not follow the speed of the machine', async (t) => {
  const { round } = RoundPool.prototype;
  const lengths: number[] = [];
  RoundPool.prototype.round = function (call) {
    lengths.push(call.to - call.from);
    return round.call(this, call);
  };
  t.teardown(() => {
    RoundPool.prototype.round = round;
  });
  await newModel(corpus).perplexity(corpus, { dynamic: { window: 1 } });
  t.deepEqual(lengths, [1024, 1024, 1024, 927]);
});

test('a text that repeats itself gets easier', async (t) => {
  const model = newModel(corpus, NOISY);
  await train(model, text, { streams: 4, window: 16, optimizer: 'adam', learningRate: 0.01 });
  const phrase = corpus.tokens.slice(0, 40);
  const again = Corpus.fromTokens(
    Uint32Array.from({ length: 1600 }, (_, i) => phrase[i % phrase.length]!),
    { vocabulary: corpus.vocabulary },
  );
  const [still, follows] = [await model.perplexity(again), await model.perplexity(again, { dynamic: {} })];
  t.log(`${still} still, ${follows} dynamic`);
  // Not a hair's breadth that another seed could turn round.
  t.true(follows < 0.9 * still);
});

test('with a step size of 0 it is the plain perplexity, without any dropout', async (t) => {
  const model = newModel(corpus, NOISY);
  const still = await model.perplexity(heldOut);
  const dynamic = await model.perplexity(heldOut, { dynamic: { learningRate: 0, window: 7 } });
  t.true(Math.abs(Math.log(dynamic) / Math.log(still) - 1) < 1e-6);
});

test('the shortest text, and a window longer than the text', async (t) => {
  const model = newModel(corpus);
  for (const length of [2, 3, 30]) {
    const few = Corpus.fromTokens(heldOut.tokens.slice(0, length), { vocabulary: corpus.vocabulary });
    const want = await model.perplexity(few);
    const got = await model.perplexity(few, { dynamic: { window: 64 } });
    t.true(Math.abs(got / want - 1) < 1e-5, `${length} tokens: ${got} against ${want}`);
  }
});

test('a signal ends it', async (t) => {
  const reason = new Error('the reason');
  const model = newModel(corpus);
  const ask = (signal: AbortSignal) => model.perplexity(corpus, { dynamic: { window: 1 }, signal });
  t.is(await t.throwsAsync(ask(AbortSignal.abort(reason))), reason);
  const controller = new AbortController();
  const running = ask(controller.signal);
  setImmediate(() => controller.abort(reason));
  t.is(await t.throwsAsync(running), reason);
  t.true(Number.isFinite(await model.perplexity(heldOut)));
});

test('while the model trains, in the loop’s body', async (t) => {
  const model = newModel(corpus);
  for await (const _ of model.train(text, { streams: 4, window: 16, reportEvery: 20 })) {
    t.true(Number.isFinite(await model.perplexity(heldOut, { dynamic: {} })));
    break;
  }
});

test('steps that are too long: refused, not an infinite perplexity', async (t) => {
  const model = newModel(corpus);
  await t.throwsAsync(model.perplexity(heldOut, { dynamic: { learningRate: 1e6, clip: 1 } }), {
    code: 'ERR_TIMERNN_DIVERGED',
    message:
      /^Expected the perplexity of the corpus to be finite, got exp\(.*\); a smaller learningRate, or a lower clip/,
  });
});

test('bad options', async (t) => {
  const model = newModel(corpus);
  const ask = (dynamic: unknown, more = {}) => model.perplexity(heldOut, { dynamic: dynamic as object, ...more });
  const refused: [dynamic: unknown, message: RegExp][] = [
    [{ rate: 1 }, /^Expected the options of dynamic to be among learningRate, window, clip, got "rate"$/],
    [true, /^Expected the options of dynamic to be an object, got true$/],
    [null, /^Expected the options of dynamic to be an object, got null$/],
    [{ learningRate: -1 }, /^Expected dynamic\.learningRate to be a finite number of at least 0/],
    [{ learningRate: () => 1 }, /^Expected dynamic\.learningRate to be .*, got a function$/],
    [{ window: 0 }, /^Expected dynamic\.window to be a positive integer/],
    [{ clip: Number.NaN }, /^Expected dynamic\.clip to be a finite number of at least 0, got NaN$/],
  ];
  for (const [dynamic, message] of refused) await t.throwsAsync(ask(dynamic), isCode('ERR_TIMERNN_OPTION', message));
  await t.throwsAsync(
    ask({}, { streams: 2 }),
    isCode('ERR_TIMERNN_OPTION', /^Expected streams to be 1 with dynamic, got 2$/),
  );
  const one = Corpus.fromTokens(Uint32Array.of(1), { vocabulary: corpus.vocabulary });
  await t.throwsAsync(
    model.perplexity(one, { dynamic: {} }),
    isCode('ERR_TIMERNN_CORPUS', /at least 2 tokens.*got 1$/),
  );
});

test('steps that are too long', async (t) => {
  const model = newModel(corpus);
  const far = { learningRate: 1e38, clip: 0 };
  await t.throwsAsync(model.perplexity(corpus, { dynamic: far }), isCode('ERR_TIMERNN_DIVERGED'));
});
