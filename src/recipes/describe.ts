/** A recipe's figures in words, for the terminal and for the documents. Pure functions. */
import type { Measured, Recipe } from './schema.js';

const SPLITS = { train: 'training', valid: 'validation', test: 'test' } as const;

/** A measured figure with the digits that mean something. What others stated is printed as they stated it. */
export function figure(value: number): string {
  return value < 10 ? value.toFixed(3) : value.toFixed(2);
}

/** `129 (test): Joulin & Mikolov 2015`. */
export function publishedWords({ source }: Pick<Recipe, 'source'>): string {
  if (source === null) return 'nothing';
  const { perplexity, split, citation } = source;
  return perplexity === null ? `no verified figure: ${citation}` : `${perplexity} (${SPLITS[split]}): ${citation}`;
}

type Perplexities = Pick<Measured, 'testPerplexity' | 'validPerplexity' | 'trainPerplexity'>;

/** The figures that there are, the test's first. */
export function perplexities(figures: Perplexities | null | undefined): [split: string, perplexity: number][] {
  const { testPerplexity, validPerplexity, trainPerplexity } = figures ?? {};
  const all: [string, number | undefined][] = [
    ['test', testPerplexity],
    ['validation', validPerplexity],
    ['training', trainPerplexity],
  ];
  return all.filter((pair): pair is [string, number] => pair[1] !== undefined);
}

/** `112 (test)`; `none` where nothing was promised. */
export function targetWords({ target }: Pick<Recipe, 'target'>): string {
  const found = perplexities(target).map(([split, value]) => `${value} (${split})`);
  return found.length === 0 ? 'none' : `at most ${found.join(', ')}`;
}

/** Whether every figure that was promised has been reached; undefined where nothing was. */
export function targetReached({ target }: Pick<Recipe, 'target'>, figures: Perplexities): boolean | undefined {
  const promised = perplexities(target);
  if (promised.length === 0) return undefined;
  const reached = new Map(perplexities(figures));
  return promised.every(([split, most]) => (reached.get(split) ?? Number.POSITIVE_INFINITY) <= most);
}

/** `LSTM 2 × 200, tied`. */
export function modelWords({ model }: Pick<Recipe, 'model'>): string {
  const { layers, tied } = model;
  const cell = layers[0]!.cell;
  const name =
    cell === 'rnn' ? `${layers[0]!.cell === 'rnn' ? (layers[0]!.activation ?? 'tanh') : ''} RNN` : cell.toUpperCase();
  const sizes = layers.map((layer) => layer.size);
  const same = sizes.every((size) => size === sizes[0]);
  return `${name} ${same ? `${sizes.length} × ${sizes[0]}` : sizes.join(' + ')}${tied ? ', tied' : ''}`;
}

/** `adam (epsilon 0.0001)`: a choice by its name, with the numbers that are its own. */
function choiceWords(name: string, numbers: object): string {
  const own = Object.entries(numbers).map(([key, value]) => `${key} ${value}`);
  return own.length === 0 ? name : `${name} (${own.join(', ')})`;
}

function optimizerWords(optimizer: NonNullable<Recipe['train']['optimizer']>): string {
  if (typeof optimizer === 'string') return optimizer;
  const { name, ...numbers } = optimizer;
  return choiceWords(name, numbers);
}

/** `exponential (factor 0.9)`. */
export function scheduleWords({ kind, ...numbers }: NonNullable<Recipe['train']['schedule']>): string {
  return choiceWords(kind, numbers);
}

/** What a model says of its dropout. */
export interface Drops {
  inputDropout?: number | undefined;
  wordDropout?: number | undefined;
  layers: readonly { dropout?: number | undefined; weightDrop?: number | undefined }[];
  dropoutKind?: string | undefined;
}

/** What training drops: `input 0.2, layer 0 0.35; locked`; `none`. */
export function dropoutWords({ model }: { model: Drops }): string {
  const rates: [string, number | undefined][] = [
    ['words', model.wordDropout],
    ['input', model.inputDropout],
    ...model.layers.flatMap(({ dropout, weightDrop }, l): [string, number | undefined][] => [
      [`layer ${l}`, dropout],
      [`Wh of layer ${l}`, weightDrop],
    ]),
  ];
  const found = rates.filter(([, rate]) => rate).map(([what, rate]) => `${what} ${rate}`);
  return found.length === 0 ? 'none' : `${found.join(', ')}; ${model.dropoutKind ?? 'element'}`;
}

/** How the weights start: `initialRange 0.1, initialMemory 0.95`; `by the layer`. */
export function startWords({ model: { initialRange, initialMemory } }: Pick<Recipe, 'model'>): string {
  const words = Object.entries({ initialRange, initialMemory }).filter(([, value]) => value !== undefined);
  return words.length === 0 ? 'by the layer' : words.map((pair) => pair.join(' ')).join(', ');
}

/** Everything of `train` that the recipe says: `24 epochs, 20 streams × 20 steps, adam (epsilon 0.0001), learningRate 0.004, …`. */
export function trainingWords({ train, seed }: Pick<Recipe, 'train' | 'seed'>): string {
  const { epochs, streams, window, optimizer = 'sgd', learningRate, schedule, rateFactors, ...others } = train;
  const words = [
    `${epochs} epochs`,
    `${streams} streams × ${window} steps`,
    optimizerWords(optimizer),
    ...(learningRate === undefined ? [] : [`learningRate ${learningRate}`]),
    ...(schedule === undefined ? [] : [scheduleWords(schedule)]),
    ...Object.entries(others).map(([key, value]) => `${key} ${value}`),
    ...Object.entries(rateFactors ?? {}).map(([name, factor]) => `rate of ${name} × ${factor}`),
    `seed ${seed}`,
  ];
  return words.join(', ');
}
