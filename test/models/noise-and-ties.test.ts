/** Dropout, tied weights and first weights in options, spec and files: what is kept, left out and refused. */
import { join } from 'node:path';
import test from 'ava';
import { LanguageModel, type LanguageModelOptions, Vocabulary } from 'timernn';
import { readSafetensorsHeader } from '#src/checkpoint/safetensors.js';
import { nativeSpec, parseSpec, withoutNoise } from '#src/models/spec.js';
import { refuses } from '../helpers/refused.js';
import { charCorpus, digest, folderOf, NOISY, newModel, train, weights } from './helpers/models.js';

const vocabulary = Vocabulary.fromTokens(['<unk>', 'a', 'b', '\n'], { unit: 'char' });
const good: LanguageModelOptions = { vocabulary, embedding: 3, layers: [{ cell: 'lstm', size: 5 }] };
const build = (change: object) => () => new LanguageModel({ ...good, ...change });
const layer = (change: object) =>
  build({
    layers: [
      { cell: 'lstm', size: 5 },
      { cell: 'gru', size: 4, ...change },
    ],
  });

test('options reach the spec, and the spec says what was asked for', (t) => {
  const noisy = build({
    tied: true,
    inputDropout: 0.1,
    wordDropout: 0.2,
    dropoutKind: 'locked',
    layers: [{ cell: 'lstm', size: 5, dropout: 0.3, weightDrop: 0.4 }],
  })();
  t.deepEqual(noisy.spec, {
    input: { kind: 'tokens', vocabulary: 4, embedding: 3, dropout: 0.1, wordDropout: 0.2 },
    layers: [{ cell: 'lstm', size: 5, dropout: 0.3, weightDrop: 0.4 }],
    output: { kind: 'softmax', tied: true },
    dropoutKind: 'locked',
  });
  t.deepEqual(parseSpec(noisy.spec), noisy.spec);
  t.is(
    Object.keys(noisy.spec.layers[0]!).join(),
    'cell,size,dropout,weightDrop',
    'in this order, so in the same bytes',
  );
});

test('what is off is left out: one architecture, one spec', (t) => {
  const off = { tied: false, inputDropout: 0, wordDropout: -0, dropoutKind: 'element' };
  const layers = [{ cell: 'lstm', size: 5, dropout: 0, weightDrop: 0 }];
  t.deepEqual(build({ ...off, layers })().spec, build({})().spec);
  t.is(JSON.stringify(build({ ...off, layers })().spec), JSON.stringify(build({})().spec));
});

test('noise belongs to training alone: no parameter, no other answer', async (t) => {
  const corpus = charCorpus(2000);
  const quiet = newModel(corpus, {
    ...NOISY,
    layers: [
      { cell: 'lstm', size: 20 },
      { cell: 'gru', size: 13 },
    ],
    more: { tied: true },
  });
  const noisy = newModel(corpus, NOISY);
  t.is(await digest(noisy), await digest(quiet));
  t.is(await noisy.perplexity(corpus, { streams: 4 }), await quiet.perplexity(corpus, { streams: 4 }));
  t.is(await noisy.logProbability('the whale'), await quiet.logProbability('the whale'));
  t.deepEqual(withoutNoise(noisy.spec), quiet.spec);
  t.deepEqual(nativeSpec(noisy.spec), nativeSpec(quiet.spec));
});

test('tied weights: fewer parameters; a projection where the sizes differ', async (t) => {
  const corpus = charCorpus(2000);
  const V = corpus.vocabulary.size;
  const same = newModel(corpus, { embedding: 12, sizes: [12], more: { tied: true } });
  t.is(same.parameterCount, V * 12 + (12 * 12 + 12 * 12 + 12) + V);
  const other = newModel(corpus, { embedding: 8, sizes: [12], more: { tied: true } });
  t.is(other.parameterCount, V * 8 + (8 * 12 + 12 * 12 + 12) + 12 * 8 + V);
  const path = join(await folderOf(t), 'tied.safetensors');
  await train(other, corpus, { streams: 4, window: 16 });
  await other.save(path);
  const { tensors } = await readSafetensorsHeader(path);
  t.deepEqual(
    tensors
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('layers'))
      .sort(),
    ['embedding.W', 'output.b', 'output.projection'],
  );
  const loaded = await LanguageModel.load(path);
  t.deepEqual(loaded.spec, other.spec);
  t.is(await digest(loaded), await digest(other));
  t.is(await loaded.perplexity(corpus), await other.perplexity(corpus));
});

test('initialRange: every number of every tensor is uniform in it', async (t) => {
  const layers = [{ cell: 'lstm', size: 40 }] as const;
  const model = new LanguageModel({ vocabulary, embedding: 50, layers, initialRange: 0.05 });
  for (const [name, values] of await weights(model)) {
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    t.true(largest <= 0.05, `${name}: ${largest}`);
    if (values.length < 1000) continue;
    // Of n uniform numbers the largest is near the end, and the mean's standard error is 0.03/√n.
    t.true(largest > 0.049 && Math.abs(mean) < 0.15 / Math.sqrt(values.length), `${name}: ${largest}, ${mean}`);
  }
  for (const bad of [0, -1, Number.NaN, 1e39]) {
    t.throws(() => new LanguageModel({ vocabulary, embedding: 5, layers, initialRange: bad }), {
      code: 'ERR_TIMERNN_OPTION',
      message: /^Expected initialRange to be a number above 0 and at most 3\.4e\+38, got/,
    });
  }
});

test('initialMemory: Wh of tanh layers is a fifth of what it was, and grades on its diagonal', async (t) => {
  const layers = [
    { cell: 'rnn', size: 24 },
    { cell: 'lstm', size: 8 },
    { cell: 'rnn', size: 1 },
    { cell: 'rnn', size: 6, activation: 'relu' },
  ] as const;
  let largest = 0;
  for (const initialRange of [undefined, 0.1]) {
    const shape = { vocabulary, embedding: 10, layers, ...(initialRange && { initialRange }) };
    const [plain, graded] = [new LanguageModel(shape), new LanguageModel({ ...shape, initialMemory: 0.9 })];
    const before = await weights(plain);
    for (const [name, values] of await weights(graded)) {
      const was = before.get(name)!;
      const size = { 'layers.0.Wh': 24, 'layers.2.Wh': 1 }[name];
      const expected = was.map((value, i) => {
        if (size === undefined) return value;
        const diagonal = i % (size + 1) === 0;
        const grade = size === 1 ? 0.9 : (0.9 * Math.floor(i / size)) / (size - 1);
        return 0.2 * value + (diagonal ? grade : 0);
      });
      const error = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      largest = Math.max(largest, error);
      // Numbers below 1.2, times a float32 for a fifth (6e-9 off) and rounded twice, to half of 2⁻²³ each.
      t.true(error <= 1.3e-7, `${name}: ${error}`);
    }
  }
  t.log(`largest error ${largest}`);
  const wrong =
    (initialMemory: number, layer: object = { cell: 'rnn' }) =>
    () =>
      new LanguageModel({ vocabulary, embedding: 5, layers: [{ size: 4, ...layer } as never], initialMemory });
  for (const end of [0, 1]) t.notThrows(wrong(end));
  for (const bad of [-0.1, 1.1, Number.NaN, '0.5' as unknown as number]) {
    t.throws(wrong(bad), { message: /^Expected initialMemory to be a number of at least 0 and at most 1, got/ });
  }
  for (const layer of [{ cell: 'gru' }, { cell: 'rnn', activation: 'relu' }]) {
    t.throws(wrong(0.5, layer), {
      code: 'ERR_TIMERNN_OPTION',
      message: /left out where no layer is of cell "rnn" with tanh, got 0\.5/,
    });
  }
  t.throws(wrong(0.5, { cell: 'rnnn' }), { code: 'ERR_TIMERNN_SPEC', message: /layers\[0\]\.cell/ });
});

const share = 'to be a number of at least 0 and below 1, got';
refuses('ERR_TIMERNN_OPTION', [
  ...['inputDropout', 'wordDropout'].flatMap((name) =>
    [1, -0.1, Number.NaN, '0.5', null].map((bad): [string, () => unknown, string] => [
      `${name}: ${bad}`,
      build({ [name]: bad === null ? [] : bad }),
      `Expected ${name} ${share} ${bad === null ? '[]' : typeof bad === 'string' ? '"0.5"' : bad}`,
    ]),
  ),
  ['tied: 1', build({ tied: 1 }), 'Expected tied to be true or false, got 1'],
  [
    'another kind of dropout',
    build({ dropoutKind: 'zoneout' }),
    'Expected dropoutKind to be "element" or "locked", got "zoneout"',
  ],
]);
refuses('ERR_TIMERNN_SPEC', [
  ...['dropout', 'weightDrop'].flatMap((name) =>
    [1, -0.1, Number.NaN, Number.POSITIVE_INFINITY].map((bad): [string, () => unknown, string] => [
      `layers[1].${name}: ${bad}`,
      layer({ [name]: bad }),
      `Expected layers[1].${name} ${share} ${bad}`,
    ]),
  ),
  ['a string', layer({ dropout: '0.5' }), `Expected layers[1].dropout ${share} "0.5"`],
  [
    'a misspelt field',
    layer({ dropOut: 0.5 }),
    'Expected layers[1] to have only the fields cell, size, resetAfter, dropout, weightDrop, got "dropOut"',
  ],
]);

const spec = new LanguageModel(good).spec;
refuses('ERR_TIMERNN_SPEC', [
  [
    'input.dropout of 1',
    () => parseSpec({ ...spec, input: { ...spec.input, dropout: 1 } }),
    `Expected input.dropout ${share} 1`,
  ],
  [
    'input.wordDropout below 0',
    () => parseSpec({ ...spec, input: { ...spec.input, wordDropout: -1 } }),
    `Expected input.wordDropout ${share} -1`,
  ],
  [
    'output.tied: false, which is left out',
    () => parseSpec({ ...spec, output: { kind: 'softmax', tied: false } }),
    'Expected output.tied to be true, got false',
  ],
  [
    'dropoutKind: "element", which is left out',
    () => parseSpec({ ...spec, dropoutKind: 'element' }),
    'Expected dropoutKind to be "locked", got "element"',
  ],
]);
