/** `timernn train --recipe`: trains what a recipe says, measures it, and leaves a record of it. */
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { planShards } from '../../data/streams.js';
import type { LanguageModel } from '../../models/language-model.js';
import type { LanguageModelOptions } from '../../models/types.js';
import { dataFiles, loadRecipeData, type RecipeCorpora } from '../../recipes/data.js';
import { modelWords, publishedWords, targetWords } from '../../recipes/describe.js';
import { measureModel } from '../../recipes/measure.js';
import type { Recipe } from '../../recipes/schema.js';
import type { TrainOptions } from '../../train/types.js';
import { loadLibrary } from '../command.js';
import { expectApart, type NamedFile } from '../files.js';
import { findRecipe } from '../recipe.js';
import type { Reporter } from '../reporters.js';
import { checkRunFolder, filesOfRun } from '../run-record.js';
import { runTraining, type TrainingJob } from '../training.js';
import { longOf, recordOptions, type TrainFlags, type Typed, wasTyped } from './flags.js';
import { resumeCommand } from './go-on.js';
import { curveLines, type FinishedRun, remarkOn, resultFigures, writeResults } from './recipe-results.js';
import { checkTestText, unknownWarnings } from './recipe-texts.js';
import { interruptible, makeReporter } from './terminal.js';

/** What a recipe and the few options beside it come to. */
interface Plan {
  recipe: Recipe;
  corpora: RecipeCorpora;
  model: LanguageModel;
  directory: string;
  out: string;
  seed: number;
  options: TrainingJob['options'];
}

/** What zod calls optional may be undefined; the library takes an option that is there for one that was meant. */
const definite = <T>(value: object): T => JSON.parse(JSON.stringify(value)) as T;

function trainOptions(plan: Omit<Plan, 'options' | 'model'>, flags: TrainFlags, command: Typed): Plan['options'] {
  const { recipe, corpora, directory, seed } = plan;
  const options = definite<TrainOptions & { streams: number; window: number; epochs: number }>(recipe.train);
  return {
    ...options,
    epochs: wasTyped(command, 'epochs') ? flags.epochs : options.epochs,
    workers: flags.workers ?? availableParallelism(),
    seed,
    ...(corpora.valid === undefined ? {} : { heldOut: corpora.valid }),
    run: recordOptions(flags, directory),
  };
}

async function makePlan(flags: TrainFlags, command: Typed): Promise<Plan> {
  const recipe = await findRecipe('--recipe', flags.recipe ?? '');
  const directory = flags.run ?? join('runs', recipe.name);
  await checkRunFolder(directory, flags.resume);
  const out = wasTyped(command, 'out') ? flags.out : join(directory, 'model.safetensors');
  const { LanguageModel } = await loadLibrary();
  const corpora = await loadRecipeData(recipe, flags.data ?? '');
  const texts = dataFiles(recipe.data).map((name): NamedFile => ['the text', join(flags.data ?? '', name)]);
  await expectApart([['--out', out]], [...texts, ...filesOfRun(directory)]);
  const seed = wasTyped(command, 'seed') ? flags.seed : recipe.seed;
  const options = { ...definite<LanguageModelOptions>(recipe.model), vocabulary: corpora.train.vocabulary, seed };
  const plan = { recipe, corpora, directory, out, seed };
  return { ...plan, model: new LanguageModel(options), options: trainOptions(plan, flags, command) };
}

function makeJob(plan: Plan, flags: TrainFlags, command: Typed): Omit<TrainingJob, 'interrupts'> {
  const { recipe, corpora, model, out, options } = plan;
  return {
    model,
    train: corpora.train,
    heldOut: corpora.valid,
    options,
    out,
    reporter: makeReporter(flags),
    savesOnTheWay: false,
    goOn: () => resumeCommand(undefined, flags, command),
    curve: {
      title: `${recipe.name}: ${recipe.title}`,
      subtitle: `${modelWords(recipe)}, ${options.streams} streams × ${options.window} steps, seed ${plan.seed}`,
      lines: curveLines(recipe),
    },
    recipe: {
      name: recipe.name,
      title: recipe.title,
      published: publishedWords(recipe),
      target: targetWords(recipe),
    },
  };
}

/** Those that ran: at most one a shard. */
const workersOf = ({ workers, streams, shards }: Plan['options']): number =>
  Math.min(workers, planShards(streams, shards).length);

/** Typed options that change the result. */
function typedWords(flags: TrainFlags, command: Typed): string[] {
  const names = ['seed', 'epochs'] as const;
  return names.flatMap((name) => (wasTyped(command, name) ? [longOf(command, name), String(flags[name])] : []));
}

async function finish(run: FinishedRun, reporter: Reporter): Promise<void> {
  reporter.results(resultFigures(run.figures), remarkOn(run.recipe, run.figures));
  reporter.saved('results', await writeResults(run));
}

/** @throws UsageError; ERR_TIMERNN_FILE, ERR_TIMERNN_FORMAT, ERR_TIMERNN_CORPUS; what training throws */
export async function trainRecipe(flags: TrainFlags, command: Typed): Promise<void> {
  const plan = await makePlan(flags, command);
  const job = makeJob(plan, flags, command);
  const { recipe, model, corpora, directory, seed, options } = plan;
  await mkdir(directory, { recursive: true });
  await checkTestText(directory, corpora, flags.resume === true);
  for (const warning of unknownWarnings(corpora)) process.stderr.write(`${warning}\n`);
  const interrupts = interruptible();
  const { reporter } = job;
  const onPart = (what: string) => reporter.busy(what);
  try {
    const { history, interrupted } = await runTraining({ ...job, interrupts });
    if (interrupted === undefined) {
      const figures = await measureModel(model, corpora, recipe, { signal: interrupts.signal, onPart });
      const typed = typedWords(flags, command);
      const recipeName = flags.recipe ?? recipe.name;
      const what = { recipe, recipeName, options, typed, seed, workers: workersOf(options) };
      await finish({ ...what, model, corpora, directory, figures, history }, reporter);
    }
  } catch (error) {
    // A signal while the trained model is measured: the run itself is complete, and --resume goes straight to here.
    if (interrupts.reason() === undefined || error !== interrupts.reason()) throw error;
    reporter.interrupted(interrupts.reason()!, resumeCommand(undefined, flags, command));
  } finally {
    interrupts.dispose();
  }
  const reason = interrupts.reason();
  if (reason !== undefined) process.exitCode = reason.exitCode;
}
