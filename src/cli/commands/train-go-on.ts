/** The command that goes on with an interrupted `timernn train`. */
import type { Command } from 'commander';
import type { History } from '../history.js';
import { commandLine } from '../reporters.js';
import type { TrainFlags } from './train.js';

/** Options that go on as they were, where they were given. */
const KEPT = ['streams', 'window', 'shards', 'workers', 'decay', 'clip', 'heldOut', 'sample', 'prompt', 'report'];

/**
 * The epoch that was cut short starts again, at the learning rate that it had.
 *
 * @returns undefined where nothing is left to do
 */
export function goOnCommand(
  file: string,
  flags: TrainFlags,
  command: Pick<Command, 'options' | 'getOptionValueSource'>,
  history: Pick<History, 'epochsDone'>,
): string | undefined {
  const left = flags.epochs - history.epochsDone;
  if (left <= 0) return undefined;
  const words = ['npx', 'timernn', 'train', file, '--from', flags.out, '--out', flags.out, '--epochs', String(left)];
  const rate = flags.learningRate * flags.decay ** history.epochsDone;
  words.push('--learning-rate', String(Number(rate.toPrecision(6))));
  for (const name of KEPT) {
    if (command.getOptionValueSource(name) !== 'cli') continue;
    const option = command.options.find((candidate) => candidate.attributeName() === name);
    const value = flags[name as keyof TrainFlags];
    if (option?.long && value !== undefined) words.push(option.long, String(value));
  }
  for (const name of ['json', 'quiet'] as const) if (flags[name]) words.push(`--${name}`);
  return commandLine(words);
}
