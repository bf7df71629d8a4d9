/** The command that goes on with an interrupted `timernn train`. */
import type { History } from '../history.js';
import { commandLine } from '../reporters.js';
import { longOf, type TrainFlags, type Typed, wasTyped } from './flags.js';
import { averages, nextRate } from './schedule.js';

/** Options that go on as they were, where they were given. */
const KEPT: readonly (keyof TrainFlags)[] = [
  'streams',
  'window',
  'randomWindows',
  'shards',
  'workers',
  'optimizer',
  'averageFrom',
  'schedule',
  'decay',
  'warmup',
  'clip',
  'clipValue',
  'weightDecay',
  'activationPenalty',
  'temporalPenalty',
  'patience',
  'keepBest',
  'seed',
  'heldOut',
  'sample',
  'prompt',
  'report',
];

/** An option as one would type it: `--size 3`, `--tied`; nothing for one that is off. */
function typedWords(command: Typed, flags: TrainFlags, name: keyof TrainFlags): string[] {
  const value = flags[name];
  if (value === undefined || value === false) return [];
  const long = longOf(command, name);
  return value === true ? [long] : [long, String(value)];
}

/**
 * Goes on from the saved model: the epoch that was cut short starts again, at the learning rate that it had.
 *
 * @returns undefined where nothing is left to do
 */
export function goOnCommand(
  file: string,
  flags: TrainFlags,
  command: Typed,
  { epochsDone, updatesDone, epochs: done }: Pick<History, 'epochsDone' | 'updatesDone' | 'epochs'>,
): string | undefined {
  const epochs = flags.epochs - epochsDone;
  if (epochs <= 0) return undefined;
  const words = ['npx', 'timernn', 'train', file, '--from', flags.out, '--out', flags.out, '--epochs', String(epochs)];
  const heldOutLosses = done.flatMap(({ heldOutLoss }) => heldOutLoss ?? []);
  words.push('--learning-rate', String(Number(nextRate(flags, epochsDone, heldOutLosses).toPrecision(6))));
  // The new run counts its updates from 0; a warm-up that was cut short begins again, over what is left of it.
  const { averageFrom, warmup } = flags;
  const left = (updates: number) => Math.max(0, updates - updatesDone);
  const later = {
    ...(typeof averageFrom === 'number' ? { averageFrom: left(averageFrom) } : {}),
    ...(warmup === undefined ? {} : { warmup: left(warmup) }),
  };
  for (const name of KEPT)
    if (wasTyped(command, name)) words.push(...typedWords(command, { ...flags, ...later }, name));
  for (const name of ['json', 'quiet'] as const) if (flags[name]) words.push(`--${name}`);
  return commandLine(words);
}

/**
 * What the model is that an interruption leaves, where it is not what the run was for.
 *
 * @param best - the best model that the record of the run has; undefined where there is none
 */
export function rawModelRemark(flags: TrainFlags, best: string | undefined): string | undefined {
  const { run, keepBest, patience, heldOut, schedule } = flags;
  const goesBack = keepBest || patience !== undefined || (schedule === 'plateau' && !averages(flags));
  const wanted = goesBack ? 'the best on held-out text' : 'their average';
  if (wanted === 'their average' && !averages(flags)) return undefined;
  const saved = `The model that was saved has the parameters of the last window, not ${wanted}`;
  if (run === undefined) {
    const more = heldOut > 0 ? ', and its folder has the best model so far' : '';
    return `${saved}, and the command below starts afresh from them; with --run a stopped run goes on to the same result${more}.`;
  }
  return best === undefined ? `${saved}, which comes when the run ends.` : `${saved}; the best so far is in ${best}.`;
}

/** The command as it was typed, with --resume: what a recorded run goes on with, to the same bits. */
export function resumeCommand(file: string | undefined, flags: TrainFlags, command: Typed): string {
  const words = ['npx', 'timernn', 'train', ...(file === undefined ? [] : [file])];
  for (const option of command.options) {
    const name = option.attributeName() as keyof TrainFlags;
    if (name !== 'resume' && wasTyped(command, name)) words.push(...typedWords(command, flags, name));
  }
  return commandLine([...words, '--resume']);
}
