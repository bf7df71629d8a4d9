/** What every command has in common: examples in its help, `--debug`. */
import { Command } from 'commander';

/** A command adds itself to the program; see `registry.ts`. */
export type Register = (program: Command) => void;

/**
 * @param examples command lines without the leading `timernn`, each with what it does
 */
export function newCommand(
  program: Command,
  name: string,
  description: string,
  examples: readonly (readonly [line: string, does: string])[],
): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, does]) => `  $ timernn ${line.padEnd(width)}   ${does}`);
  const command = new Command(name)
    .description(description)
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
  command.copyInheritedSettings(program);
  command.option('--debug', 'show stacks with errors');
  program.addCommand(command);
  return command;
}

/**
 * Loads the library when a command needs it: help, version, build and doctor must work where the addon does not.
 *
 * @throws ERR_TIMERNN_NATIVE where the addon does not load
 */
export const loadLibrary = (): Promise<typeof import('../index.js')> => import('../index.js');
