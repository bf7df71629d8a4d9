/**
 * Writing to the terminal: what it can do, back pressure, and the quiet end when the reader has gone (`| head`).
 */
import { once } from 'node:events';
import { ansi, type Paint, plain } from './format.js';

/** The part of a stream that the command line uses; tests bring their own. */
export interface Sink {
  write(text: string): boolean;
  isTTY?: boolean;
  columns?: number;
}

/** Whether a line can be rewritten in place, its width, and how to colour. */
export interface TerminalAbilities {
  live: boolean;
  columns: number;
  paint: Paint;
}

/** NO_COLOR (any value) turns colours off, FORCE_COLOR on; a dumb terminal cannot rewrite lines. */
export function abilities(sink: Sink, env: NodeJS.ProcessEnv = process.env): TerminalAbilities {
  const live = sink.isTTY === true && env.TERM !== 'dumb';
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const color = !env.NO_COLOR && (forced || (live && env.FORCE_COLOR !== '0'));
  return { live, columns: sink.columns ?? 80, paint: color ? ansi : plain };
}

type BrokenPipe = () => void;
let onBrokenPipe: BrokenPipe = () => process.exit(0);

/** Replaces what happens when the reader of stdout or stderr has gone; the default is to exit with 0 at once. */
export function whenPipeBreaks(action: BrokenPipe): void {
  onBrokenPipe = action;
}

/** Once, at the start of the program. */
export function watchPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      onBrokenPipe();
    });
  }
}

/** Writes to stdout and waits where the reader is slower than the writer. */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text) && !process.stdout.destroyed) {
    await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]);
  }
}

/** One JSON object on one line; numbers that JSON lacks become null. */
export const jsonLine = (value: object): string => `${JSON.stringify(value)}\n`;
