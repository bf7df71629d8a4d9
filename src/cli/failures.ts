/**
 * How a command ends: exit codes, the one line that a person reads, and the stack for those who ask for it.
 */
import { CommanderError } from 'commander';
import { TimeRNNError } from '../errors.js';

/** Exit codes of the command line. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** A mistake in the arguments: nothing has been done, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Whether the person wants stacks: `--debug` anywhere, or DEBUG in the environment. */
export function wantsStack(argv: readonly string[] = process.argv, env: NodeJS.ProcessEnv = process.env): boolean {
  return argv.includes('--debug') || Boolean(env.DEBUG);
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ');

/** The words for an error. What the loader of the addon says has several lines on purpose: causes and commands. */
export function messageOf(error: unknown, command = ''): string {
  if (error instanceof CommanderError) return oneLine(error.message.replace(/^error: /, ''));
  if (error instanceof TimeRNNError && error.code === 'ERR_TIMERNN_NATIVE') return error.message.trimEnd();
  if (error instanceof TimeRNNError && error.code === 'ERR_TIMERNN_DIVERGED') {
    // Its advice names the options as they are called here.
    const prefix = command.endsWith(' evaluate') ? '--dynamic-' : '--';
    return oneLine(error.message)
      .replace('learningRate', `${prefix}learning-rate`)
      .replace(/\bclip\b/, `${prefix}clip`);
  }
  if (error instanceof Error) return oneLine(error.message) || error.name;
  return oneLine(String(error));
}

/** What to print and how to exit after a command has thrown. Help and version count as success and print nothing. */
export function describeFailure(error: unknown, command: string, stack: boolean): { code: number; text: string } {
  if (error instanceof CommanderError && error.exitCode === 0) return { code: EXIT.ok, text: '' };
  const usage = error instanceof UsageError || error instanceof CommanderError;
  // Commander has printed the help itself where a command or subcommand is missing.
  if (error instanceof CommanderError && error.code === 'commander.help') return { code: EXIT.usage, text: '' };
  const hint = usage ? ` (see ${command} --help)` : '';
  let text = `${command}: ${messageOf(error, command)}${hint}`;
  if (stack && error instanceof Error && error.stack) text += `\n${error.stack}`;
  if (stack && error instanceof Error && error.cause instanceof Error) text += `\nCaused by: ${error.cause.stack}`;
  return { code: usage ? EXIT.usage : EXIT.failed, text };
}
