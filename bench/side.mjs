/**
 * One side of the benchmark: a child process that answers JSON lines. Refuses to measure; it only asks and waits.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Path of a file, relative to this folder. */
export const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** The Python that has the peers. */
export const python = process.env.TIMERNN_PYTHON || 'python3';

/** Cores this process may use, one CPU each (no two hardware threads of the same core), at most `count`. */
function cores(count) {
  const allowed = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const cpus = allowed.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  const seen = new Set();
  const first = cpus.filter((cpu) => {
    const file = `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`;
    const core = existsSync(file) ? readFileSync(file, 'utf8').trim() : String(cpu);
    return !seen.has(core) && seen.add(core);
  });
  return first.slice(0, count);
}

/** Command and arguments that keep a process on the given number of cores, where the system can do that. */
function pinned(count, command, args) {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/taskset')) return [command, args];
  return ['/usr/bin/taskset', ['-c', cores(count).join(','), command, ...args]];
}

export class Side {
  #child;
  #waiting;
  #errors = '';
  #ended;

  /** Both sides get the same cores, `cpus` of them. */
  constructor(command, args, { cpus, env = {} }) {
    const [program, list] = pinned(cpus, command, args);
    this.#child = spawn(program, list, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#errors = (this.#errors + text).slice(-4000);
    });
    this.#child.stdin.on('error', () => {}); // a side that died is reported by its exit, not by the broken pipe
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(JSON.parse(line)));
    this.#ended = new Promise((resolve) => {
      const end = (why) => {
        this.#settle({ error: why });
        resolve(why);
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('close', (code, signal) => end(this.#lastWords() || `ended with ${signal ?? `code ${code}`}`));
    });
  }

  /** The last line that says what went wrong: a traceback or a stack has its message apart from its frames. */
  #lastWords() {
    const lines = this.#errors
      .split('\n')
      .filter((line) => /^\S*(Error|error|Exception|taskset)\b.*:/.test(line.trim()));
    return lines.at(-1)?.trim() ?? '';
  }

  #settle(value) {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (value.error === undefined) waiting.resolve(value);
    else waiting.reject(new Error(value.error));
  }

  /** Resolves with the next line that the child prints. */
  next() {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#ended.then((why) => reject(new Error(why)));
    });
  }

  ask(command) {
    const answer = this.next();
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    return answer;
  }

  async close() {
    this.#child.stdin.end(`${JSON.stringify({ cmd: 'quit' })}\n`);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    await this.#ended;
    clearTimeout(late);
  }
}
