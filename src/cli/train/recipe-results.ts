/** What a finished run of a recipe says of itself: the figures on the terminal, and `results.json`. */
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../../checkpoint/atomic-write.js';
import type { LanguageModel } from '../../models/language-model.js';
import type { RecipeCorpora } from '../../recipes/data.js';
import { figure, perplexities, targetReached, targetWords } from '../../recipes/describe.js';
import { dynamicName, type Figures } from '../../recipes/measure.js';
import type { Measured, Recipe } from '../../recipes/schema.js';
import { bestEpoch } from '../../report/curve-svg.js';
import type { TrainOptions } from '../../train/types.js';
import { bytes } from '../format.js';
import type { History } from '../history.js';
import { cpuName } from '../machine.js';
import { commandLine } from '../reporters.js';
import type { ResultFigure } from '../run-facts.js';
import { allEpochs, type EpochFigures, secondsOf } from '../run-record.js';
import { version } from '../version.js';

/** A run that has been trained and measured. */
export interface FinishedRun {
  recipe: Recipe;
  /** The name or the path that was typed. */
  recipeName: string;
  /** What it was trained with. */
  options: TrainOptions & { epochs: number };
  model: LanguageModel;
  corpora: RecipeCorpora;
  directory: string;
  figures: Figures;
  seed: number;
  workers: number;
  /** What this process saw of the training. */
  history: History;
  /** Options that were typed and change the result: `--seed 3`. */
  typed: readonly string[];
}

/** What was measured, as lines of the terminal. */
export function resultFigures(figures: Figures): ResultFigure[] {
  const plain = perplexities(figures).map(([name, perplexity]) => ({ name, perplexity }));
  const dynamic = (figures.dynamic ?? []).flatMap((one) =>
    perplexities(one).map(([name, perplexity]) => ({
      name: `${name}, ${dynamicName(definite(one.options))}`,
      perplexity,
    })),
  );
  return [...plain, ...dynamic];
}

const definite = (options: object) => options as Parameters<typeof dynamicName>[0];

/** Whether the run reached what its recipe promises. */
export function remarkOn(recipe: Recipe, figures: Figures): string {
  const reached = targetReached(recipe, figures);
  if (reached === undefined) return '';
  return `Target ${targetWords(recipe)}: ${reached ? 'reached' : 'not reached'}.`;
}

/** The kernels belong to the machine: they decide the speed, and the last bits. */
async function machineName(workers: number): Promise<string> {
  const { native } = await import('../../native.js');
  return `${cpuName()}, ${workers} worker${workers === 1 ? '' : 's'}, ${native.systemInfo().isa}`;
}

/** Four digits behind the point: what comes after them differs from CPU to CPU. */
function rounded(figures: Figures): Figures {
  const json = JSON.stringify(figures, (key, value: unknown) =>
    key.endsWith('Perplexity') && typeof value === 'number' ? Number(value.toFixed(4)) : value,
  );
  return JSON.parse(json) as Figures;
}

async function measuredOf(run: FinishedRun, epochs: readonly EpochFigures[]): Promise<Measured> {
  const best = bestEpoch(epochs)?.epoch;
  return {
    ...rounded(run.figures),
    epochs: epochs.at(-1)?.epoch ?? run.options.epochs,
    ...(best === undefined ? {} : { bestEpoch: best }),
    seconds: Math.round(secondsOf(epochs) ?? run.history.seconds),
    parameters: run.model.parameterCount,
    seed: run.seed,
    machine: await machineName(run.workers),
    date: new Date().toISOString().slice(0, 10),
    version: version(),
    command: commandLine(['npx', 'timernn', 'train', '--recipe', run.recipeName, '--data', 'DIR', ...run.typed]),
  };
}

/** Options as plain data: what determines the result, without texts and without how the run was carried out. */
function plainOptions({ heldOut: _, run: __, workers: ___, ...options }: TrainOptions): TrainOptions {
  return options;
}

/**
 * Writes `results.json` into the folder of the run. Its block `measured` has the form of a recipe's.
 *
 * @returns the path
 */
export async function writeResults(run: FinishedRun): Promise<string> {
  const { recipe, model, corpora, directory, figures } = run;
  const epochs = await allEpochs(directory, run.history.epochs);
  const reached = targetReached(recipe, figures);
  const results = {
    recipe: recipe.name,
    title: recipe.title,
    source: recipe.source,
    target: recipe.target,
    ...(reached === undefined ? {} : { targetReached: reached }),
    measured: await measuredOf(run, epochs),
    environment: {
      cpu: cpuName(),
      cores: availableParallelism(),
      memory: bytes(totalmem()),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
    },
    data: {
      vocabulary: corpora.train.vocabulary.size,
      vocabularyHash: corpora.train.vocabulary.hash,
      tokens: { train: corpora.train.length, valid: corpora.valid?.length, test: corpora.test?.length },
    },
    spec: model.spec,
    asked: { data: recipe.data, model: recipe.model, evaluate: recipe.evaluate },
    train: plainOptions(run.options),
    epochs,
  };
  const path = join(directory, 'results.json');
  await writeFileAtomic(path, [Buffer.from(`${JSON.stringify(results, null, 2)}\n`)]);
  return path;
}

/** Lines across the curve: what was promised and what was published, where they are not the same. */
export function curveLines(recipe: Recipe): { label: string; perplexity: number }[] {
  const lines = perplexities(recipe.target).map(([split, perplexity]) => ({ label: `target (${split})`, perplexity }));
  const { perplexity, split } = recipe.source ?? { perplexity: null };
  if (perplexity === null || lines.some((line) => figure(line.perplexity) === figure(perplexity))) return lines;
  return [...lines, { label: `published (${split === 'valid' ? 'validation' : split})`, perplexity }];
}
