/** Recipes are checked: the ones that come with the package, and what is wrong with others is said by name. */
import test from 'ava';
import {
  dropoutWords,
  modelWords,
  publishedWords,
  startWords,
  targetReached,
  targetWords,
  trainingWords,
} from '#src/recipes/describe.js';
import { loadRecipe, loadRecipes, recipeNames } from '#src/recipes/load.js';
import { parseRecipe } from '#src/recipes/schema.js';
import { refuses } from '../helpers/refused.js';
import { tinyRecipe } from './helpers/tiny.js';

test('every recipe of the package is whole, and is called as its file is', async (t) => {
  const names = await recipeNames();
  for (const name of ['rnn-100', 'lstm-100', 'rnn-strong', 'zaremba-small', 'pytorch-example', 'awd-lstm']) {
    t.true(names.includes(name), name);
  }
  const recipes = await loadRecipes();
  t.deepEqual(
    recipes.map((recipe) => recipe.name),
    names,
  );
  for (const recipe of recipes) {
    t.regex(recipe.source!.url, /^https:\/\//, recipe.name);
    t.true(recipe.source!.perplexity !== null || recipe.source!.note !== undefined, recipe.name);
  }
});

test('a recipe of one’s own: name, data, model and training are enough', (t) => {
  const { name, data, model, train } = tinyRecipe();
  const recipe = parseRecipe({ name, data, model, train }, 'own.json');
  t.is(recipe.seed, 1);
  t.deepEqual([recipe.source, recipe.target, recipe.measured], [null, null, null]);
  t.is(publishedWords(recipe), 'nothing');
  t.is(targetWords(recipe), 'none');
});

test('a sum over steps: Zaremba’s learning rate 1 and clip 5 are T and 5/T of the mean', async (t) => {
  for (const [name, steps] of [
    ['zaremba-small', 20],
    ['zaremba-medium', 35],
  ] as const) {
    const { train } = await loadRecipe(name);
    t.is(train.window, steps);
    t.is(train.learningRate, 1 * steps);
    t.true(Math.abs((train.clip ?? 0) - 5 / steps) < 1e-12);
  }
});

test('a misspelt field is named, not the one that is missing', (t) => {
  const { model, ...others } = tinyRecipe();
  const error = t.throws(() => parseRecipe({ ...others, modle: model }, 'my.json'));
  t.regex(error?.message ?? '', /Expected the recipe to have only the fields .*, got "modle"$/);
});

test('in words: the model, what was published, what should be reached and whether it is', async (t) => {
  const recipe = parseRecipe(tinyRecipe(), 'tiny.json');
  t.is(modelWords(recipe), 'tanh RNN 1 × 8');
  t.is(publishedWords(recipe), '12.5 (test): Nobody 2030');
  t.is(targetWords(recipe), 'at most 100 (test)');
  t.true(targetReached(recipe, { testPerplexity: 100 }));
  t.false(targetReached(recipe, { testPerplexity: 100.1 }));
  t.false(targetReached(recipe, { validPerplexity: 1 }));
  t.is(targetReached({ target: null }, { testPerplexity: 1 }), undefined);
  t.is(modelWords(await loadRecipe('awd-lstm')), 'LSTM 1150 + 1150 + 400, tied');
});

test('in words: dropout and training, with everything that the recipe says of them', async (t) => {
  t.is(dropoutWords(await loadRecipe('simple-rnnlm')), 'none');
  const awd = await loadRecipe('awd-lstm');
  t.regex(dropoutWords(awd), /^words 0\.1, input 0\.4, layer 0 0\.25, Wh of layer 0 0\.5, .*; locked$/);
  t.regex(trainingWords(awd), /^500 epochs, 20 streams × 70 steps, asgd \(averageFrom non-monotonic, patience 5\), /);
  const tiny = parseRecipe(tinyRecipe(), 'tiny.json');
  const train = { epochs: 2, streams: 4, window: 8 };
  t.is(trainingWords({ ...tiny, train }), `2 epochs, 4 streams × 8 steps, sgd, seed ${tiny.seed}`);
  const more = { optimizer: 'adam', learningRate: 0.01, clip: 1, rateFactors: { layers: 0.3 } } as const;
  t.is(
    trainingWords({ ...tiny, seed: 5, train: { ...train, schedule: { kind: 'step', factor: 0.5 }, ...more } }),
    '2 epochs, 4 streams × 8 steps, adam, learningRate 0.01, step (factor 0.5), clip 1, rate of layers × 0.3, seed 5',
  );
});

test('in words: how the weights start', (t) => {
  const tiny = parseRecipe(tinyRecipe(), 'tiny.json');
  t.is(startWords(tiny), 'by the layer');
  const { model } = parseRecipe(changed(['model', 'initialMemory'], 0.9), 'own.json');
  t.is(startWords({ model }), 'initialMemory 0.9');
  t.is(startWords({ model: { ...model, initialRange: 0.1 } }), 'initialRange 0.1, initialMemory 0.9');
});

/** A recipe with one field changed; `undefined` takes it out. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  if (path.length === 0) return value;
  const recipe = tinyRecipe() as Record<string | number, unknown>;
  let at = recipe;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return recipe;
}

const cases: [path: (string | number)[], value: unknown, message: string][] = [
  [['name'], undefined, 'Expected name to be a name of small letters, digits and dashes, got undefined'],
  [['name'], 'Tiny RNN', 'Expected name to be a name of small letters, digits and dashes, got "Tiny RNN"'],
  [
    ['titel'],
    'x',
    'Expected the recipe to have only the fields name, title, description, source, target, data, model, train, seed, evaluate, measured, got "titel"',
  ],
  [['title'], '', 'Expected title to be a text that is not empty, got ""'],
  [['seed'], -1, 'Expected seed to be an integer of at least 0, got -1'],
  [['model'], 3, 'Expected model to be an object, got 3'],
  [['model', 'embedding'], '8', 'Expected model.embedding to be a positive integer, got "8"'],
  [
    ['model', 'embeding'],
    8,
    'Expected model to have only the fields embedding, layers, tied, inputDropout, wordDropout, initialRange, initialMemory, dropoutKind, got "embeding"',
  ],
  [['model', 'layers'], [], 'Expected model.layers to be an array of at least one layer, got []'],
  [['model', 'layers', 0, 'cell'], 'elman', 'Expected model.layers[0].cell to be one of rnn, lstm, gru, got "elman"'],
  [['model', 'layers', 0, 'size'], 0, 'Expected model.layers[0].size to be a positive integer, got 0'],
  [
    ['model', 'layers', 0, 'dropout'],
    1,
    'Expected model.layers[0].dropout to be a number of at least 0 and below 1, got 1',
  ],
  ...[-0.1, 1.1, 'x'].map((memory): (typeof cases)[number] => [
    ['model', 'initialMemory'],
    memory,
    `Expected model.initialMemory to be a number of at least 0 and at most 1, got ${JSON.stringify(memory)}`,
  ]),
  [['model', 'layers', 0, 'units'], 3, 'Expected model.layers[0] to have only fields that exist, got "units"'],
  [['train', 'epochs'], 1.5, 'Expected train.epochs to be a positive integer, got 1.5'],
  [['train', 'streams'], undefined, 'Expected train.streams to be a positive integer, got undefined'],
  [['train', 'clip'], '5', 'Expected train.clip to be a number, got "5"'],
  [
    ['train', 'schedule'],
    { kind: 'stairs' },
    'Expected train.schedule.kind to be one of constant, step, exponential, plateau, cosine, got "stairs"',
  ],
  [['train', 'schedule'], { kind: 'step' }, 'Expected train.schedule.factor to be a number, got undefined'],
  [
    ['train', 'optimizer'],
    'adamm',
    'Expected train.optimizer to be one of sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw, asgd, or an object ' +
      'with such a name and its own numbers, got "adamm"',
  ],
  [['train', 'rateFactors'], 0.2, 'Expected train.rateFactors to be an object, got 0.2'],
  [['train', 'rateFactors'], { layers: '0.2' }, 'Expected train.rateFactors.layers to be a number, got "0.2"'],
  [
    ['train', 'rateFactors'],
    JSON.parse('{"layers": 0.2, "__proto__": 0.1}'),
    'Expected train.rateFactors to be an object without a key "__proto__", got Object',
  ],
  [
    ['train', 'optimizer'],
    { name: 'adam', beta: 0.9 },
    'Expected train.optimizer to have only fields that exist, got "beta"',
  ],
  [['train', 'optimizer'], { name: 'adam', beta1: 'x' }, 'Expected train.optimizer.beta1 to be a number, got "x"'],
  ...['soon', -1, 1.5].map((averageFrom): (typeof cases)[number] => [
    ['train', 'optimizer'],
    { name: 'adam', averageFrom },
    `Expected train.optimizer.averageFrom to be an integer of at least 0 or "non-monotonic", got ${JSON.stringify(averageFrom)}`,
  ]),
  [['data', 'kind'], 'web', 'Expected data.kind to be one of ptb, files, split, got "web"'],
  [['data', 'unit'], 'line', 'Expected data.unit to be one of word, char, got "line"'],
  [['data', 'tokens', 'train'], -5, 'Expected data.tokens.train to be a positive integer, got -5'],
  [['source', 'perplexity'], 0.5, 'Expected source.perplexity to be a number of at least 1, got 0.5'],
  [
    ['source', 'perplexity'],
    null,
    'Expected source.note to be a text that says why there is no perplexity, got undefined',
  ],
  [['target'], 'low', 'Expected target to be an object, got "low"'],
  [['evaluate', 'dynamic'], 0.1, 'Expected evaluate.dynamic to be an array, got 0.1'],
  [['evaluate'], { dynamics: [] }, 'Expected evaluate to have only the fields dynamic, got "dynamics"'],
  [['data', 'test'], undefined, 'Expected target.testPerplexity to be left out, or data to have test text, got 100'],
  [
    [],
    {
      ...tinyRecipe(),
      target: { testPerplexity: 50 },
      data: { kind: 'split', file: 'a.txt', valid: 0.1, test: 0 },
    },
    'Expected target.testPerplexity to be left out, or data to have test text, got 50',
  ],
  [
    ['data'],
    { kind: 'split', file: 'a.txt', valid: 0.6, test: 0.5 },
    'Expected data.test to be less than what data.valid leaves, got 0.5',
  ],
  ...(
    [
      ['train.optimizer.averageFrom', { optimizer: { name: 'adam', averageFrom: 'non-monotonic' } }, '"non-monotonic"'],
      ['train.schedule.kind', { schedule: { kind: 'plateau', factor: 0.5 } }, '"plateau"'],
      ['train.patience', { patience: 2 }, '2'],
      ['train.keepBest', { keepBest: true }, 'true'],
      ['train.heldOutStreams', { heldOutStreams: 2 }, '2'],
    ] as const
  ).map(([field, more, got]): (typeof cases)[number] => [
    [],
    {
      ...tinyRecipe(),
      data: { kind: 'split', file: 'a.txt', valid: 0, test: 0.1 },
      train: { streams: 4, window: 8, epochs: 3, ...more },
    },
    `Expected ${field} to be left out, or data to have validation text, got ${got}`,
  ]),
  [['measured'], { testPerplexity: 3 }, 'Expected measured.epochs to be a positive integer, got undefined'],
];

refuses(
  'ERR_TIMERNN_FORMAT',
  cases.map(([path, value, message]) => [
    message,
    () => parseRecipe(changed(path, value), 'my.json'),
    `my.json: ${message}`,
  ]),
);

test('an unknown name lists those that exist; a file that is no JSON is named', async (t) => {
  const unknown = await t.throwsAsync(loadRecipe('rnn-1000'), { code: 'ERR_TIMERNN_OPTION' });
  t.regex(
    unknown?.message ?? '',
    /^Expected recipe to be one of awd-lstm, .*, or the path of a \.json file, got "rnn-1000"$/,
  );
  await t.throwsAsync(loadRecipe('/nowhere/x.json'), {
    code: 'ERR_TIMERNN_FILE',
    message: /^Expected the recipe \/nowhere.* to be readable, got ENOENT/,
  });
});
