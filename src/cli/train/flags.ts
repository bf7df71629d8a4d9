/** What `timernn train` is asked for, and which of its options do not go together. */
import type { Command } from 'commander';
import type { LayerOptions } from '../../models/types.js';
import type { OptimizerName, RunOptions } from '../../train/types.js';
import { UsageError } from '../failures.js';
import type { ScheduleName } from './schedule.js';

/** Options of a recipe's run; everything else is the recipe's. */
export interface RecipeFlags {
  recipe?: string;
  data?: string;
  run?: string;
  resume?: boolean;
  checkpointSeconds?: number;
  checkpointWindows?: number;
  keepCheckpoints?: number;
  workers?: number;
  seed: number;
  epochs: number;
  out: string;
  json?: boolean;
  quiet?: boolean;
}

export interface TrainFlags extends RecipeFlags {
  unit: 'char' | 'word';
  vocabularySize?: number;
  lowercase?: boolean;
  separatePunctuation?: boolean;
  cell: LayerOptions['cell'];
  activation?: 'tanh' | 'relu';
  resetBefore?: boolean;
  embedding: number;
  size: number;
  layers: number;
  tied?: boolean;
  dropout?: number;
  inputDropout?: number;
  wordDropout?: number;
  weightDrop?: number;
  lockedDropout?: boolean;
  streams?: number;
  window: number;
  shards?: number;
  learningRate?: number;
  schedule?: ScheduleName;
  decay?: number;
  warmup?: number;
  clip: number;
  clipValue?: number;
  optimizer?: OptimizerName;
  averageFrom?: number | 'non-monotonic';
  weightDecay?: number;
  activationPenalty?: number;
  temporalPenalty?: number;
  randomWindows?: boolean;
  keepBest?: boolean;
  patience?: number;
  heldOut: number;
  sample: number;
  prompt?: string;
  from?: string;
  report?: string;
}

/** Where checkpoints go and how often, as `train` is told. */
export function recordOptions(
  { resume, checkpointSeconds, checkpointWindows, keepCheckpoints: keep }: RecipeFlags,
  directory: string,
): RunOptions {
  const asked = Object.entries({ resume, checkpointSeconds, checkpointWindows, keep });
  return { directory, ...Object.fromEntries(asked.filter(([, value]) => value !== undefined)) };
}

/** The part of a commander command that tells which options were typed. */
export type Typed = Pick<Command, 'options' | 'getOptionValueSource'>;

/** Whether an option was typed, not left to its default. */
export const wasTyped = (command: Typed, name: keyof TrainFlags): boolean =>
  command.getOptionValueSource(name) === 'cli';

/** `--held-out` for `heldOut`. */
export const longOf = (command: Typed, name: string): string =>
  command.options.find((candidate) => candidate.attributeName() === name)?.long ?? name;

/** Options that a saved model has decided already. */
const FIXED_BY_MODEL: readonly (keyof TrainFlags)[] = [
  'unit',
  'vocabularySize',
  'lowercase',
  'separatePunctuation',
  'cell',
  'activation',
  'resetBefore',
  'embedding',
  'size',
  'layers',
  'tied',
  'dropout',
  'inputDropout',
  'wordDropout',
  'weightDrop',
  'lockedDropout',
];

/** Options that make sense with a recipe; it has decided the others. */
const FREE_WITH_RECIPE: ReadonlySet<string> = new Set([
  'recipe',
  'data',
  'run',
  'resume',
  'checkpointSeconds',
  'checkpointWindows',
  'keepCheckpoints',
  'workers',
  'seed',
  'epochs',
  'out',
  'json',
  'quiet',
  'debug',
]);

/** @throws UsageError for an option that the recipe has decided, and where its data is not named */
export function checkRecipeFlags(file: string | undefined, flags: TrainFlags, command: Typed): void {
  if (file !== undefined) {
    throw new UsageError(`--recipe: expected no text beside it, since the recipe names its data, got "${file}"`);
  }
  for (const option of command.options) {
    const name = option.attributeName();
    if (FREE_WITH_RECIPE.has(name) || command.getOptionValueSource(name) !== 'cli') continue;
    throw new UsageError(`${option.long}: expected it to be left out beside --recipe, which has its own settings`);
  }
  if (flags.data === undefined) {
    throw new UsageError('--data: expected the folder that holds the data of --recipe, got nothing');
  }
  checkCheckpoints(flags);
}

function checkCell(flags: TrainFlags): void {
  if (flags.activation !== undefined && flags.cell !== 'rnn') {
    throw new UsageError(`--activation: expected it together with --cell rnn, got --cell ${flags.cell}`);
  }
  if (flags.resetBefore && flags.cell !== 'gru') {
    throw new UsageError(`--reset-before: expected it together with --cell gru, got --cell ${flags.cell}`);
  }
  if (flags.separatePunctuation && flags.unit === 'char') {
    throw new UsageError('--separate-punctuation: expected it together with --unit word, got --unit char');
  }
  if (flags.lockedDropout && !flags.dropout && !flags.inputDropout) {
    throw new UsageError('--locked-dropout: expected it together with --dropout or --input-dropout, got neither');
  }
}

function checkCheckpoints({ checkpointSeconds, checkpointWindows }: RecipeFlags): void {
  if (checkpointSeconds === undefined || checkpointWindows === undefined) return;
  throw new UsageError('--checkpoint-windows: expected it instead of --checkpoint-seconds, got both');
}

function checkRun(flags: TrainFlags, command: Typed): void {
  for (const name of ['resume', 'checkpointSeconds', 'checkpointWindows', 'keepCheckpoints'] as const) {
    if (flags[name] === undefined || flags.run !== undefined) continue;
    throw new UsageError(`${longOf(command, name)}: expected it together with --run, got it alone`);
  }
  checkCheckpoints(flags);
  if (flags.averageFrom === 'non-monotonic' && flags.heldOut === 0) {
    throw new UsageError('--average-from: expected a number of updates where --held-out is 0, got non-monotonic');
  }
  if (flags.schedule === 'plateau' && flags.heldOut === 0) {
    throw new UsageError('--schedule: expected some held-out text for plateau, got --held-out 0');
  }
  if (flags.decay === 1 && flags.schedule === 'plateau') {
    throw new UsageError('--decay: expected a number below 1 with --schedule plateau, got 1');
  }
  if (flags.decay !== undefined && (flags.schedule === 'cosine' || flags.schedule === 'constant')) {
    throw new UsageError(
      `--decay: expected it together with --schedule exponential or plateau, got --schedule ${flags.schedule}`,
    );
  }
  for (const name of ['keepBest', 'patience'] as const) {
    if (flags[name] === undefined || flags.heldOut > 0) continue;
    throw new UsageError(`${longOf(command, name)}: expected some held-out text, got --held-out 0`);
  }
}

/** @throws UsageError for options that do not go together */
export function checkFlags(flags: TrainFlags, command: Typed): void {
  if (flags.data !== undefined) throw new UsageError('--data: expected it together with --recipe, got it alone');
  if (flags.from !== undefined) {
    const fixed = FIXED_BY_MODEL.find((name) => wasTyped(command, name));
    if (fixed !== undefined) {
      const option = longOf(command, fixed);
      throw new UsageError(`${option}: the model of --from has decided it; expected it to be left out`);
    }
  }
  checkCell(flags);
  checkRun(flags, command);
  if (flags.shards !== undefined && flags.streams !== undefined && flags.shards > flags.streams) {
    throw new UsageError(`--shards: expected at most --streams (${flags.streams}), got "${flags.shards}"`);
  }
}
