/** Runs that fail: the first cause comes through, and the model stays usable. */
import { join } from 'node:path';
import test from 'ava';
import { Corpus, LanguageModel } from 'timernn';
import { readSafetensors, type TensorInput, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { charCorpus, digest, folderOf, isCode, newModel, train, weights } from '../models/helpers/models.js';

const corpus = charCorpus(20_000);
const options = { streams: 4, window: 8, workers: 3, reportEvery: 10 };

test('a corpus that turns bad under the run: the token and its position', async (t) => {
  // Streams start at 0, 1000, 2000, 3000. Token 2500 belongs to the second shard, in window 62.
  const tokens = new Uint32Array(new SharedArrayBuffer(4 * 4000));
  const bad = Corpus.fromTokens(tokens, { vocabularySize: 10 });
  const model = newModel(bad);
  let last = 0;
  const run = train(model, bad, options, ({ window }) => {
    last = window;
    tokens[2500] = 4_000_000_000;
    return false;
  });
  await t.throwsAsync(
    run,
    isCode('ERR_TIMERNN_TOKEN', /below the vocabulary size 10, got 4000000000 at position 2500$/),
  );
  t.is(last, 60, 'the rounds before were whole');
  const twin = newModel(bad);
  tokens[2500] = 0;
  await train(twin, bad, { ...options, reportEvery: 62 }, () => true);
  t.is(await digest(model), await digest(twin), 'the windows before the bad one were finished, and nothing after them');
  t.like(await train(model, bad, options, () => true), { window: 10 }, 'mended, it trains again');
});

test('a run that diverges says so, its parameters stay finite, and the model can be saved and loaded', async (t) => {
  const model = newModel(corpus, { sizes: [64] });
  await t.throwsAsync(
    train(model, corpus, { ...options, learningRate: 1e38, clip: 0, epochs: 5 }),
    isCode(
      'ERR_TIMERNN_DIVERGED',
      /^Expected a finite loss and gradient, got loss .*; a smaller learningRate, or a clip above 0, may help$/,
    ),
  );
  const clipped = newModel(corpus, { sizes: [64] });
  await t.throwsAsync(
    train(clipped, corpus, { ...options, learningRate: 3e38, clip: 1e30, epochs: 5 }),
    isCode('ERR_TIMERNN_DIVERGED', /; a smaller learningRate or clip may help$/),
  );
  for (const [name, values] of await weights(model)) t.true(values.every(Number.isFinite), name);
  const path = join(await folderOf(t), 'diverged.safetensors');
  await model.save(path);
  t.is(await digest(await LanguageModel.load(path)), await digest(model));
});

test('finite weights whose scores overflow: every question is refused, none answered with garbage', async (t) => {
  const path = join(await folderOf(t), 'huge.safetensors');
  await newModel(corpus).save(path);
  const { metadata, tensors } = await readSafetensors(path);
  const huge = [...tensors].map(([name, { shape, data }]) => ({
    name,
    shape,
    data: new Float32Array(data.length).fill(3e38),
  }));
  await writeSafetensors(path, huge as TensorInput[], Object.fromEntries(metadata));
  const model = await LanguageModel.load(path);
  const refused = isCode('ERR_TIMERNN_NOT_FINITE', /to be finite, got .*; the model's weights are too large/);
  await t.throwsAsync(model.perplexity(corpus), refused);
  await t.throwsAsync(model.logProbability('the whale'), refused);
  await t.throwsAsync(model.generate().next(), refused);
});

test('a schedule that fails in a later epoch ends the run there', async (t) => {
  const model = newModel(corpus);
  const epochs: number[] = [];
  const schedule = (learningRate: (epoch: number) => number) =>
    train(model, corpus, { ...options, epochs: 3, reportEvery: 1000, learningRate }, ({ epoch }) => {
      epochs.push(epoch);
      return false;
    });
  await t.throwsAsync(
    schedule((epoch) => (epoch === 1 ? Number.NaN : 0.1)),
    isCode('ERR_TIMERNN_OPTION', /^Expected learningRate\(1\) to be a finite number of at least 0.*, got NaN$/),
  );
  const mine = new Error('mine');
  const thrown = schedule((epoch) => {
    if (epoch === 1) throw mine;
    return 0.1;
  });
  t.is(await t.throwsAsync(thrown), mine);
  t.deepEqual(epochs, [0, 0]);
});

const short: [
  what: string,
  length: number,
  options: object,
  code: 'ERR_TIMERNN_CORPUS' | 'ERR_TIMERNN_OPTION',
  message: RegExp,
][] = [
  ['one token', 1, { streams: 1 }, 'ERR_TIMERNN_CORPUS', /at least 2 tokens.*got 1$/],
  [
    'more streams than the corpus has tokens to predict',
    5,
    { streams: 5 },
    'ERR_TIMERNN_CORPUS',
    /streams to be at most 4/,
  ],
  ['32 streams on a short corpus', 20, { streams: 32 }, 'ERR_TIMERNN_CORPUS', /streams to be at most 19/],
  [
    'more shards than streams',
    20,
    { streams: 3, shards: 4 },
    'ERR_TIMERNN_OPTION',
    /shards to be at most.*\(3\), got 4/,
  ],
];
for (const [what, length, wrong, code, message] of short) {
  test(`refused: ${what}`, async (t) => {
    const few = Corpus.fromTokens(new Uint32Array(length), { vocabularySize: 4 });
    const model = newModel(few);
    await t.throwsAsync(train(model, few, wrong), isCode(code, message));
    t.is(await digest(model), await digest(newModel(few)));
  });
}

test('the shortest corpora that can be trained on', async (t) => {
  for (const [length, streams] of [
    [2, 1],
    [3, 2],
    [33, 32],
  ] as const) {
    const few = Corpus.fromTokens(new Uint32Array(length), { vocabularySize: 4 });
    t.like(await train(newModel(few), few, { streams, workers: 2 }), { window: 1, tokens: streams, epochEnd: true });
  }
});
