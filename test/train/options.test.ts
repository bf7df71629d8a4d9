/** Every bad value of every training option, and the corpus: refused when `train` is called, by name. */
import test from 'ava';
import { Corpus, LanguageModel } from 'timernn';
import { resolveTrainOptions } from '#src/train/options.js';
import { refuses, untyped } from '../helpers/refused.js';
import { isCode, newModel } from '../models/helpers/models.js';

const corpus = Corpus.fromText('the cat sat on the mat\n', { unit: 'char' });
const model = newModel(corpus);
const call = (options: unknown) => () => model.train(corpus, untyped(options));

const integers: [name: string, atMost: string][] = [
  ['streams', ''],
  ['window', ' and at most 1048576'],
  ['epochs', ''],
  ['workers', ' and at most 256'],
  ['shards', ''],
  ['reportEvery', ''],
];
for (const [name, atMost] of integers) {
  const expected = `Expected ${name} to be a positive integer${atMost}, got`;
  refuses('ERR_TIMERNN_OPTION', [
    [`${name}: 0`, call({ [name]: 0 }), `${expected} 0`],
    [`${name}: -1`, call({ [name]: -1 }), `${expected} -1`],
    [`${name}: 1.5`, call({ [name]: 1.5 }), `${expected} 1.5`],
    [`${name}: NaN`, call({ [name]: Number.NaN }), `${expected} NaN`],
    [`${name}: Infinity`, call({ [name]: Number.POSITIVE_INFINITY }), `${expected} Infinity`],
    [`${name}: 2 ** 31`, call({ [name]: 2 ** 31 }), `${expected} 2147483648`],
    [`${name}: "8"`, call({ [name]: '8' }), `${expected} "8"`],
    [`${name}: 8n`, call({ [name]: 8n }), `${expected} 8n`],
    [`${name}: an array`, call({ [name]: [8] }), `${expected} [8]`],
  ]);
}

const float = ' and at most 3.4e+38';
for (const [name, atMost] of [
  ['learningRate', float],
  ['clip', ''],
]) {
  const expected = `Expected ${name} to be a finite number of at least 0${atMost}, got`;
  refuses('ERR_TIMERNN_OPTION', [
    [`${name}: -1`, call({ [name!]: -1 }), `${expected} -1`],
    [`${name}: NaN`, call({ [name!]: Number.NaN }), `${expected} NaN`],
    [`${name}: Infinity`, call({ [name!]: Number.POSITIVE_INFINITY }), `${expected} Infinity`],
    [`${name}: "1"`, call({ [name!]: '1' }), `${expected} "1"`],
    [`${name}: null`, call({ [name!]: null }), `${expected} null`],
  ]);
}
refuses('ERR_TIMERNN_OPTION', [
  [
    'a learning rate beyond float32',
    call({ learningRate: 1e39 }),
    `Expected learningRate to be a finite number of at least 0${float}, got 1e+39`,
  ],
  ['a signal that is none', call({ signal: {} }), 'Expected signal to be an AbortSignal, got Object'],
  [
    'a controller in its place',
    call({ signal: new AbortController() }),
    'Expected signal to be an AbortSignal, got AbortController',
  ],
  ['options that are none', call(7), 'Expected the options of train to be an object, got 7'],
  ['null', call(null), 'Expected the options of train to be an object, got null'],
  [
    'a misspelt name',
    call({ epoch: 3 }),
    'Expected the options of train to be among streams, window, epochs, workers, shards, learningRate, schedule, warmup, optimizer, weightDecay, rateFactors, clip, clipValue, activationPenalty, temporalPenalty, randomWindows, seed, heldOut, heldOutStreams, keepBest, patience, onProgress, run, reportEvery, signal, got "epoch"',
  ],
  ['no corpus', () => model.train(untyped(undefined)), 'Expected corpus to be a Corpus, got undefined'],
  [
    'both sides of a split',
    () => model.train(untyped(corpus.split({ heldOut: 0.2 }))),
    'Expected corpus to be a Corpus, got Object; pass .train or .heldOut of what split gave',
  ],
  [
    'a corpus to come',
    () => model.train(untyped(Promise.resolve(corpus))),
    'Expected corpus to be a Corpus, got Promise; did you forget await?',
  ],
  ['a text as corpus', () => model.train(untyped('the cat')), 'Expected corpus to be a Corpus, got "the cat"'],
  [
    'something like a corpus',
    () => model.train(untyped({ tokens: new Uint32Array(8) })),
    'Expected corpus to be a Corpus, got Object',
  ],
]);

test('a corpus with another vocabulary, even of the same size', (t) => {
  for (const text of ['the dog sat on the mug\n', 'THE CAT SAT ON THE MAT\n']) {
    const other = Corpus.fromText(text, { unit: 'char' });
    t.throws(() => model.train(other), isCode('ERR_TIMERNN_VOCABULARY', /vocabulary: model\.vocabulary/));
  }
  const same = Corpus.fromText('a mat\n', { unit: 'char', vocabulary: model.vocabulary });
  t.notThrows(() => model.train(same));
  // Equal, though not the same object.
  t.notThrows(() => model.train(Corpus.fromText('the cat sat on the mat\n', { unit: 'char' })));
});

test('defaults', (t) => {
  const { learningRate, workers, ...rest } = resolveTrainOptions({}, 1_000_000, []);
  t.deepEqual(rest, {
    streams: 32,
    window: 64,
    epochs: 1,
    shards: undefined,
    learningRateIsFunction: false,
    schedule: { kind: 'constant' },
    warmup: 0,
    optimizer: { native: { name: 'sgd' }, averageFrom: undefined },
    rateFactors: undefined,
    clip: 0.5,
    clipValue: 0,
    activationPenalty: 0,
    temporalPenalty: 0,
    randomWindows: false,
    seed: 1n,
    heldOut: undefined,
    onProgress: undefined,
    run: undefined,
    reportEvery: undefined,
    signal: undefined,
  });
  t.true(workers >= 1);
  t.is(learningRate(3), 1);
});

test('a short corpus trains with the defaults; streams that are asked for are not lowered', async (t) => {
  t.is(resolveTrainOptions({}, 1000, []).streams, 15);
  t.is(resolveTrainOptions({ window: 10 }, 1000, []).streams, 32);
  t.is(resolveTrainOptions({ streams: 32 }, 1000, []).streams, 32);
  const { value } = await newModel(corpus).train(corpus).next();
  t.like(value, { epochEnd: true, tokens: 22 });
  await t.throwsAsync(
    newModel(corpus).train(corpus, { streams: 32 }).next(),
    isCode('ERR_TIMERNN_CORPUS', /at most 22/),
  );
});

test('nothing runs until a report is asked for, and bad options do not wait for that', async (t) => {
  const twice = newModel(corpus);
  twice.train(corpus);
  await t.notThrowsAsync(twice.train(corpus).next(), 'the first one has not started');
  t.throws(() => twice.train(corpus, { epochs: 0 }), isCode('ERR_TIMERNN_OPTION'));
});

test('options that are left undefined have their defaults', (t) => {
  t.notThrows(call({ streams: undefined, window: undefined, learningRate: undefined, signal: undefined }));
  t.true(model instanceof LanguageModel);
});
