/**
 * The figures of a trained model: perplexity of each held-out part with one stream, its state carried from the first
 * token to the last, and once more with dynamic evaluation where the recipe asks for it.
 * Refuses to do: choosing anything. The test part is measured here, after training, and nowhere else.
 */
import type { Corpus } from '../data/corpus.js';
import type { LanguageModel } from '../models/language-model.js';
import type { DynamicOptions } from '../models/types.js';
import type { RecipeCorpora } from './data.js';
import type { Measured, Recipe } from './schema.js';

/** Perplexities of the parts that there are. */
export type Figures = Pick<Measured, 'testPerplexity' | 'validPerplexity' | 'trainPerplexity' | 'dynamic'>;

export interface MeasureOptions {
  signal: AbortSignal;
  /** Told before each part, since each takes a while. */
  onPart: (what: string) => void;
}

interface Part {
  key: 'validPerplexity' | 'testPerplexity' | 'trainPerplexity';
  name: string;
  corpus: Corpus;
}

/** What is measured: training text only where it is all there is, or the target speaks of it. */
function parts({ valid, test, train }: RecipeCorpora, target: Recipe['target']): Part[] {
  const found: Part[] = [];
  if (valid !== undefined) found.push({ key: 'validPerplexity', name: 'validation', corpus: valid });
  if (test !== undefined) found.push({ key: 'testPerplexity', name: 'test', corpus: test });
  if (found.length === 0 || target?.trainPerplexity !== undefined) {
    found.push({ key: 'trainPerplexity', name: 'training', corpus: train });
  }
  return found;
}

/** `dynamic, learning rate 0.1, window 20`. */
export function dynamicName({ learningRate, window, clip }: DynamicOptions): string {
  const rest = [
    learningRate === undefined ? '' : `, learning rate ${learningRate}`,
    window === undefined ? '' : `, window ${window}`,
    clip === undefined ? '' : `, clip ${clip}`,
  ];
  return `dynamic${rest.join('')}`;
}

/** @throws what `perplexity` throws; the signal's reason */
export async function measureModel(
  model: LanguageModel,
  corpora: RecipeCorpora,
  recipe: Pick<Recipe, 'evaluate' | 'target'>,
  { signal, onPart }: MeasureOptions,
): Promise<Figures> {
  const wanted = parts(corpora, recipe.target);
  const measure = async (dynamic?: DynamicOptions) => {
    const figures: Figures = {};
    for (const { key, name, corpus } of wanted) {
      onPart(dynamic === undefined ? `${name} text…` : `${name} text, ${dynamicName(dynamic)}…`);
      figures[key] = await model.perplexity(corpus, {
        streams: 1,
        signal,
        ...(dynamic === undefined ? {} : { dynamic }),
      });
    }
    return figures;
  };
  const figures = await measure();
  const dynamic: NonNullable<Figures['dynamic']> = [];
  for (const options of recipe.evaluate?.dynamic ?? []) {
    const { dynamic: _, ...values } = await measure(clean(options));
    dynamic.push({ options, ...values });
  }
  return dynamic.length === 0 ? figures : { ...figures, dynamic };
}

/** Without keys whose value is undefined, which the library would take for options. */
const clean = (options: object): DynamicOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
