/** What the check scripts share: running a program, and counting checks into one last line. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A development tool of the checkout, by its command name. */
export const tool = (name) => join(root, 'node_modules', '.bin', name);

/** The one shape of a summary line, e.g. `12 passed, 0 failed, 1 skipped`; .ci/run reads it. */
export function summary({ passed, failed, skipped = 0 }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/**
 * Runs a program without standard input and keeps what it prints.
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeout?: number, onLine?: (line: string) => void }} options
 *   timeout in ms, after which it is killed
 * @returns {Promise<{ code: number | null, signal: string | null, output: string, timedOut: boolean }>}
 */
export function run(command, args, { cwd = root, env, timeout, onLine } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let rest = '';
    let timedOut = false;
    const timer = timeout
      ? setTimeout(() => {
          timedOut = true;
          child.kill('SIGKILL');
        }, timeout)
      : undefined;
    const keep = (text) => {
      output += text;
      if (onLine === undefined) return;
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => {
      clearTimeout(timer);
      done({ code: null, signal: null, output: `${output}${error.message}`, timedOut });
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (onLine !== undefined && rest !== '') onLine(rest);
      done({ code, signal, output, timedOut });
    });
  });
}

/** Throws with everything printed unless the program ends with 0. @returns what it printed */
export async function expectSuccess(command, args, options) {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const how = result.timedOut ? `ran past ${options.timeout / 1000} s` : `ended with ${result.code ?? result.signal}`;
    throw new Error(`${command} ${args.join(' ')} ${how}\n${result.output.trimEnd()}`);
  }
  return result.output;
}

/** Counts checks; each prints one line, and a failed one its reason. */
export class Checks {
  passed = 0;
  failed = 0;

  async check(name, body) {
    const started = performance.now();
    try {
      await body();
      this.passed += 1;
      console.log(`  ✔ ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
      return true;
    } catch (error) {
      this.failed += 1;
      console.log(`  ✖ ${name}`);
      console.log(String(error?.message ?? error).replace(/^/gm, '      '));
      return false;
    }
  }

  /** Prints the summary as the last line and sets the exit code. Nothing checked counts as a failure. */
  finish() {
    if (this.passed + this.failed === 0) {
      console.log('  ✖ nothing was checked');
      this.failed = 1;
    }
    console.log(summary(this));
    if (this.failed > 0) process.exitCode = 1;
  }
}
