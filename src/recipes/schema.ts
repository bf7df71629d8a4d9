/**
 * The shape of a recipe: a model, how it is trained, on which data, and what should come of it. A recipe is JSON that
 * anybody may write, so all of it is checked, and a refusal names the field, what was expected and what came.
 * Refuses to do: ranges that the library checks itself (a dropout of 2 is refused by `LanguageModel`).
 */
import { z } from 'zod';
import { TimeRNNError } from '../errors.js';
import { refusal } from './refusal.js';

const expecting = (what: string) => ({ error: what });

const count = z.int(expecting('a positive integer')).min(1, expecting('a positive integer'));
const number = z.number(expecting('a number'));
const text = z.string(expecting('a text')).min(1, expecting('a text that is not empty'));
const flag = z.boolean(expecting('true or false'));
const share = z
  .number(expecting('a number of at least 0 and below 1'))
  .min(0, expecting('a number of at least 0 and below 1'))
  .lt(1, expecting('a number of at least 0 and below 1'));
const ppl = z.number(expecting('a number of at least 1')).min(1, expecting('a number of at least 1'));
const object = expecting('an object');
const list = <T extends z.ZodType>(item: T, what: string) => z.array(item, expecting(what)).min(1, expecting(what));

/** One of several shapes, told apart by a field: another word in that field is refused with the words that exist. */
const choices = (names: readonly string[]) => ({
  error: (issue: { code?: string | undefined }) =>
    issue.code === 'invalid_type' ? 'an object' : `one of ${names.join(', ')}`,
});

const layerParts = { size: count, dropout: share.optional(), weightDrop: share.optional() };
const layer = z.discriminatedUnion(
  'cell',
  [
    z.strictObject({
      cell: z.literal('rnn'),
      activation: z.enum(['tanh', 'relu'], expecting('one of tanh, relu')).optional(),
      ...layerParts,
    }),
    z.strictObject({ cell: z.literal('lstm'), ...layerParts }),
    z.strictObject({ cell: z.literal('gru'), resetAfter: flag.optional(), ...layerParts }),
  ],
  choices(['rnn', 'lstm', 'gru']),
);

const MEMORY = 'a number of at least 0 and at most 1';
const model = z.strictObject(
  {
    embedding: count,
    layers: list(layer, 'an array of at least one layer'),
    tied: flag.optional(),
    inputDropout: share.optional(),
    wordDropout: share.optional(),
    initialRange: z.number(expecting('a number above 0')).positive(expecting('a number above 0')).optional(),
    initialMemory: z.number(expecting(MEMORY)).min(0, expecting(MEMORY)).max(1, expecting(MEMORY)).optional(),
    dropoutKind: z.enum(['element', 'locked'], expecting('one of element, locked')).optional(),
  },
  object,
);

const schedule = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('constant') }),
    z.strictObject({ kind: z.literal('step'), factor: number, every: count.optional(), from: count.optional() }),
    z.strictObject({ kind: z.literal('exponential'), factor: number }),
    z.strictObject({
      kind: z.literal('plateau'),
      factor: number,
      patience: count.optional(),
      threshold: number.optional(),
      restore: flag.optional(),
      minimum: number.optional(),
    }),
    z.strictObject({ kind: z.literal('cosine'), minimum: number.optional() }),
  ],
  choices(['constant', 'step', 'exponential', 'plateau', 'cosine']),
);

const NAMES = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam', 'adamw', 'asgd'] as const;
const AVERAGE_FROM = expecting('an integer of at least 0 or "non-monotonic"');
const average = {
  averageFrom: z.union([z.int(AVERAGE_FROM).min(0, AVERAGE_FROM), z.literal('non-monotonic')], AVERAGE_FROM).optional(),
  patience: count.optional(),
};
const adam = { beta1: number.optional(), beta2: number.optional(), epsilon: number.optional() };
const optimizer = z.union(
  [
    z.enum(NAMES),
    z.discriminatedUnion('name', [
      z.strictObject({ name: z.literal('sgd'), ...average }),
      z.strictObject({ name: z.enum(['momentum', 'nesterov']), momentum: number.optional(), ...average }),
      z.strictObject({ name: z.literal('adagrad'), epsilon: number.optional(), ...average }),
      z.strictObject({
        name: z.literal('rmsprop'),
        smoothing: number.optional(),
        epsilon: number.optional(),
        ...average,
      }),
      z.strictObject({ name: z.enum(['adam', 'adamw']), ...adam, ...average }),
      z.strictObject({
        name: z.literal('asgd'),
        ...average,
        lambda: number.optional(),
        power: number.optional(),
      }),
    ]),
  ],
  expecting(`one of ${NAMES.join(', ')}, or an object with such a name and its own numbers`),
);

/** Zod leaves a key `__proto__` out of a record and says nothing, so it is looked for before. */
const rateFactors = z
  .custom((value) => typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__'), {
    error: 'an object without a key "__proto__"',
    abort: true,
  })
  .pipe(z.record(z.string(), number, object));

const train = z.strictObject(
  {
    streams: count,
    window: count,
    epochs: count,
    shards: count.optional(),
    learningRate: number.optional(),
    schedule: schedule.optional(),
    warmup: z.int(expecting('an integer')).optional(),
    optimizer: optimizer.optional(),
    weightDecay: number.optional(),
    rateFactors: rateFactors.optional(),
    clip: number.optional(),
    clipValue: number.optional(),
    activationPenalty: number.optional(),
    temporalPenalty: number.optional(),
    randomWindows: flag.optional(),
    heldOutStreams: count.optional(),
    keepBest: flag.optional(),
    patience: count.optional(),
  },
  object,
);

const tokens = z.strictObject({ train: count, valid: count.optional(), test: count.optional() }, object);
const expected = { vocabulary: count.optional(), tokens: tokens.optional() };
const data = z.discriminatedUnion(
  'kind',
  [
    /** The Penn Treebank as Mikolov prepared it; names, counts and vocabulary are in `data.ts`. `first`: that many tokens only. */
    z.strictObject({ kind: z.literal('ptb'), first: count.optional() }),
    /** A file for each part; the vocabulary is that of the training file. */
    z.strictObject({
      kind: z.literal('files'),
      unit: z.enum(['word', 'char'], expecting('one of word, char')),
      train: text,
      valid: text.optional(),
      test: text.optional(),
      ...expected,
    }),
    /** One file of characters whose last parts are held out: first those for validation, then those for the test. */
    z.strictObject({ kind: z.literal('split'), file: text, valid: share, test: share, ...expected }),
  ],
  choices(['ptb', 'files', 'split']),
);

const dynamic = z.strictObject(
  { learningRate: number.optional(), window: count.optional(), clip: number.optional() },
  object,
);
const figures = { testPerplexity: ppl.optional(), validPerplexity: ppl.optional(), trainPerplexity: ppl.optional() };

const source = z
  .strictObject(
    {
      citation: text,
      url: text,
      perplexity: ppl.nullable(),
      split: z.enum(['train', 'valid', 'test'], expecting('one of train, valid, test')),
      note: text.optional(),
    },
    object,
  )
  .refine((value) => value.perplexity !== null || value.note !== undefined, {
    path: ['note'],
    error: 'a text that says why there is no perplexity',
  });

const measured = z.strictObject(
  {
    ...figures,
    dynamic: z.array(z.strictObject({ options: dynamic, ...figures }, object), expecting('an array')).optional(),
    epochs: count,
    bestEpoch: count.optional(),
    seconds: z.number(expecting('a number of seconds')).min(0, expecting('a number of seconds')),
    parameters: count,
    seed: z.int(expecting('an integer')),
    machine: text,
    date: text,
    version: text,
    command: text,
    /** A digest of the settings that were measured, where the package's own tables ask for it. */
    settings: text.optional(),
  },
  object,
);

type Part = 'train' | 'valid' | 'test';

/** Whether a recipe's data has that part. */
function hasPart(given: z.infer<typeof data>, part: Part): boolean {
  if (part === 'train') return true;
  if (given.kind === 'ptb') return given.first === undefined;
  return given.kind === 'files' ? given[part] !== undefined : given[part] > 0;
}

/** What asks for text that the data does not have: field, its value where it is not what is there, what it needs. */
function wants(given: z.infer<typeof recipeFields>): [path: string[], part: Part][] {
  const { target, train: options } = given;
  const { optimizer: chosen, schedule: falls } = options;
  const found: [path: string[], part: Part][] = [];
  for (const part of ['valid', 'test'] as const) {
    if (target?.[`${part}Perplexity`] !== undefined) found.push([['target', `${part}Perplexity`], part]);
  }
  if (typeof chosen === 'object' && chosen.averageFrom === 'non-monotonic') {
    found.push([['train', 'optimizer', 'averageFrom'], 'valid']);
  }
  if (falls?.kind === 'plateau') found.push([['train', 'schedule', 'kind'], 'valid']);
  for (const name of ['patience', 'keepBest', 'heldOutStreams'] as const) {
    if (options[name] !== undefined) found.push([['train', name], 'valid']);
  }
  return found.filter(([, part]) => !hasPart(given.data, part));
}

const recipeFields = z.strictObject(
  {
    name: z
      .string(expecting('a name of small letters, digits and dashes'))
      .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, expecting('a name of small letters, digits and dashes')),
    title: text.default('A recipe of one’s own'),
    description: text.default('Nobody described it.'),
    /** What was published; null where nothing was. */
    source: source.nullable().default(null),
    /** What it should reach at most; null where nothing was promised. */
    target: z.strictObject(figures, object).nullable().default(null),
    data,
    model,
    train,
    seed: z.int(expecting('an integer of at least 0')).min(0, expecting('an integer of at least 0')).default(1),
    evaluate: z.strictObject({ dynamic: z.array(dynamic, expecting('an array')).optional() }, object).optional(),
    /** What came of it here; null until it was measured. */
    measured: measured.nullable().default(null),
  },
  object,
);

const WORDS = { train: 'training', valid: 'validation', test: 'test' };

/** What no field alone can say. */
const recipe = recipeFields.superRefine((given, context) => {
  if (given.data.kind === 'split' && given.data.valid + given.data.test >= 1) {
    context.addIssue({ code: 'custom', path: ['data', 'test'], message: 'less than what data.valid leaves' });
  }
  for (const [path, part] of wants(given)) {
    context.addIssue({ code: 'custom', path, message: `left out, or data to have ${WORDS[part]} text` });
  }
});

/** A recipe, checked. */
export type Recipe = z.infer<typeof recipe>;
/** Where its text comes from and how much of it there must be. */
export type RecipeData = Recipe['data'];
/** What a finished run says of itself; the block `measured` of a recipe. */
export type Measured = NonNullable<Recipe['measured']>;

/**
 * Checks a recipe.
 *
 * @param where - the file, for messages
 * @throws ERR_TIMERNN_FORMAT naming the field, what was expected and what came
 */
export function parseRecipe(value: unknown, where: string): Recipe {
  const result = recipe.safeParse(value);
  if (result.success) return result.data;
  throw new TimeRNNError('ERR_TIMERNN_FORMAT', `${where}: ${refusal(result.error.issues, value, recipeFields)}`);
}
