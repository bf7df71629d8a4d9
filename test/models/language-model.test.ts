/** Construction: what a model is made of, and every option that is refused. */
import test from 'ava';
import { LanguageModel, type LanguageModelOptions, Vocabulary } from 'timernn';
import { native } from '#src/native.js';
import { refuses } from '../helpers/refused.js';
import { digest, isCode } from './helpers/models.js';

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
    'Expected the options of LanguageModel to be among vocabulary, embedding, layers, seed, got "layer"',
  ],
  ['no vocabulary', build({ vocabulary: undefined }), 'Expected vocabulary to be a Vocabulary, got undefined'],
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

const specs: [what: string, change: object, at: RegExp][] = [
  ['layers: []', { layers: [] }, /spec\.layers/],
  ['65 layers', { layers: Array(65).fill(good.layers[0]) }, /spec\.layers/],
  ['a layer without a size', { layers: [{ cell: 'rnn' }] }, /spec\.layers\.0\.size/],
  ['a size of 0', { layers: [good.layers[0], { cell: 'rnn', size: 0 }] }, /spec\.layers\.1\.size/],
  ['a size of 1.5', { layers: [{ cell: 'rnn', size: 1.5 }] }, /spec\.layers\.0\.size/],
  ['a size beyond 2²⁴', { layers: [{ cell: 'rnn', size: 2 ** 24 + 1 }] }, /spec\.layers\.0\.size/],
  ['an embedding beyond 2²⁴', { embedding: 2 ** 24 + 1 }, /spec\.input\.embedding/],
  ['an unknown cell', { layers: [{ cell: 'rmm', size: 5 }] }, /spec\.layers\.0\.cell to be one of .*rnn.*, got "rmm"$/],
  ['a cell that is no string', { layers: [{ cell: 7, size: 5 }] }, /spec\.layers\.0\.cell/],
  ['an unknown field', { layers: [{ cell: 'rnn', size: 5, dropuot: 0.5 }] }, /spec\.layers\.0/],
  ['null', { layers: [null] }, /spec\.layers\.0/],
];
for (const [what, change, at] of specs) {
  test(`ERR_TIMERNN_SPEC: ${what}`, (t) => {
    t.throws(build(change), isCode('ERR_TIMERNN_SPEC', at));
  });
}

test('every cell of the registry makes a model', (t) => {
  for (const cell of native.cells()) t.notThrows(build({ layers: [{ cell, size: 5 }] }), cell);
});
