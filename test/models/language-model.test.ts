/** Construction: what a model is made of, and every option that is refused. */
import { inspect } from 'node:util';
import test from 'ava';
import { LanguageModel, type LanguageModelOptions, TimeRNNError, Vocabulary } from 'timernn';
import { CELLS } from '#src/models/spec.js';
import { refuses } from '../helpers/refused.js';
import { digest } from './helpers/models.js';

const vocabulary = Vocabulary.fromTokens(['<unk>', 'a', 'b', '\n'], { unit: 'char' });
const good = { vocabulary, embedding: 3, layers: [{ cell: 'rnn' as const, size: 5 }] };
const build = (change: object) => () => new LanguageModel({ ...good, ...change } as LanguageModelOptions);

test('spec, vocabulary and number of parameters', (t) => {
  const model = new LanguageModel({ ...good, layers: [...good.layers, { cell: 'rnn', size: 2 }] });
  t.deepEqual(model.spec, {
    input: { kind: 'tokens', vocabulary: 4, embedding: 3 },
    layers: [
      { cell: 'rnn', size: 5 },
      { cell: 'rnn', size: 2 },
    ],
    output: { kind: 'softmax' },
  });
  t.is(model.vocabulary, vocabulary);
  t.is(model.parameterCount, 4 * 3 + (3 * 5 + 5 * 5 + 5) + (5 * 2 + 2 * 2 + 2) + 2 * 4 + 4);
});

test('the spec is a copy, and the options are not kept', async (t) => {
  const layers = [{ cell: 'rnn' as const, size: 5 }];
  const model = new LanguageModel({ ...good, layers });
  model.spec.layers[0]!.size = 6;
  layers[0]!.size = 7;
  layers.push({ cell: 'rnn', size: 8 });
  t.deepEqual(model.spec.layers, [{ cell: 'rnn', size: 5 }]);
  t.is(await digest(model), await digest(new LanguageModel(good)));
});

test('the default seed is 1, and 0 is one', async (t) => {
  t.is(await digest(build({})()), await digest(build({ seed: 1 })()));
  t.not(await digest(build({ seed: 0 })()), await digest(build({ seed: 1 })()));
});

const positive = (name: string, got: string) => `Expected ${name} to be a positive integer, got ${got}`;
const seed = 'Expected seed to be an integer of at least 0 and at most 9007199254740991, got';
refuses('ERR_TIMERNN_OPTION', [
  [
    'no options',
    () => new LanguageModel(undefined as never),
    'Expected the options of LanguageModel to be an object, got undefined',
  ],
  [
    'a misspelt name',
    build({ layer: [] }),
    'Expected the options of LanguageModel to be among vocabulary, embedding, layers, tied, inputDropout, wordDropout, dropoutKind, initialRange, initialMemory, seed, got "layer"',
  ],
  [
    'no vocabulary',
    build({ vocabulary: undefined }),
    'Expected vocabulary to be a Vocabulary, got undefined; if it is of a corpus from Corpus.fromFile, did you forget await?',
  ],
  ['a size in its place', build({ vocabulary: 100 }), 'Expected vocabulary to be a Vocabulary, got 100'],
  ['its JSON', build({ vocabulary: vocabulary.toJSON() }), 'Expected vocabulary to be a Vocabulary, got Object'],
  ['no embedding', build({ embedding: undefined }), positive('embedding', 'undefined')],
  ['embedding: 0', build({ embedding: 0 }), positive('embedding', '0')],
  ['embedding: 2.5', build({ embedding: 2.5 }), positive('embedding', '2.5')],
  ['embedding: NaN', build({ embedding: Number.NaN }), positive('embedding', 'NaN')],
  ['no layers', build({ layers: undefined }), 'Expected layers to be an array, got undefined'],
  [
    'one layer, not in an array',
    build({ layers: { cell: 'rnn', size: 5 } }),
    'Expected layers to be an array, got Object',
  ],
  ['seed: -1', build({ seed: -1 }), `${seed} -1`],
  ['seed: 0.5', build({ seed: 0.5 }), `${seed} 0.5`],
  ['seed: 2 ** 53', build({ seed: 2 ** 53 }), `${seed} 9007199254740992`],
  ['seed: "1"', build({ seed: '1' }), `${seed} "1"`],
]);

const size = 'to be a positive integer, got';
const specs: [what: string, change: object, message: string][] = [
  ['layers: []', { layers: [] }, 'Expected layers to be an array of 1 to 64 layers, got []'],
  [
    '65 layers',
    { layers: Array(65).fill(good.layers[0]) },
    'Expected layers to be an array of 1 to 64 layers, got Array(65)',
  ],
  ['a layer without a size', { layers: [{ cell: 'rnn' }] }, `Expected layers[0].size ${size} undefined`],
  ['a size of 0', { layers: [good.layers[0], { cell: 'rnn', size: 0 }] }, `Expected layers[1].size ${size} 0`],
  ['a size of 1.5', { layers: [{ cell: 'rnn', size: 1.5 }] }, `Expected layers[0].size ${size} 1.5`],
  ['a size of NaN', { layers: [{ cell: 'lstm', size: Number.NaN }] }, `Expected layers[0].size ${size} NaN`],
  ['a size that is text', { layers: [{ cell: 'gru', size: '8' }] }, `Expected layers[0].size ${size} "8"`],
  [
    'a size beyond 2²⁴',
    { layers: [{ cell: 'rnn', size: 2 ** 24 + 1 }] },
    'Expected layers[0].size to be an integer of at most 16777216, got 16777217',
  ],
  [
    'an embedding beyond 2²⁴',
    { embedding: 2 ** 24 + 1 },
    'Expected input.embedding to be an integer of at most 16777216, got 16777217',
  ],
  [
    'an unknown cell',
    { layers: [{ cell: 'rmm', size: 5 }] },
    'Expected layers[0].cell to be one of rnn, lstm, gru, got "rmm"',
  ],
  [
    'a cell that is no string',
    { layers: [{ cell: 7, size: 5 }] },
    'Expected layers[0].cell to be one of rnn, lstm, gru, got 7',
  ],
  [
    'an unknown field',
    { layers: [{ cell: 'rnn', size: 5, dropuot: 0.5 }] },
    'Expected layers[0] to have only the fields cell, size, activation, dropout, weightDrop, got "dropuot"',
  ],
  [
    'another cell’s field',
    { layers: [{ cell: 'lstm', size: 5, activation: 'relu' }] },
    'Expected layers[0] to have only the fields cell, size, dropout, weightDrop, got "activation"',
  ],
  [
    'an unknown activation',
    { layers: [{ cell: 'rnn', size: 5, activation: 'gelu' }] },
    'Expected layers[0].activation to be "tanh" or "relu", got "gelu"',
  ],
  [
    'a word for a boolean',
    { layers: [{ cell: 'gru', size: 5, resetAfter: 'no' }] },
    'Expected layers[0].resetAfter to be a boolean, got "no"',
  ],
  ['null', { layers: [null] }, 'Expected layers[0] to be an object, got null'],
];
for (const [what, change, message] of specs) {
  test(`ERR_TIMERNN_SPEC: ${what}`, (t) => {
    t.throws(build(change), { instanceOf: TimeRNNError, code: 'ERR_TIMERNN_SPEC', message });
  });
}

test('every cell makes a model', (t) => {
  for (const cell of CELLS) t.notThrows(build({ layers: [{ cell, size: 5 }] }), cell);
});

test('console.log shows the architecture, not an empty object', (t) => {
  const model = new LanguageModel({ ...good, layers: [{ cell: 'lstm', size: 5 }] });
  const shown = inspect(model);
  for (const part of [
    /^LanguageModel \{/,
    /unit: 'char'/,
    /cell: 'lstm', size: 5/,
    RegExp(`: ${model.parameterCount}`),
  ]) {
    t.regex(shown, part);
  }
});
