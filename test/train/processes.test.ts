/** What a run leaves behind, seen from outside: each scenario is a process that has to end by itself. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const child = fileURLToPath(new URL('./helpers/child.js', import.meta.url));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  result: Record<string, number | string> | undefined;
  stderr: string;
}

/** A process that hangs is killed, which its signal then tells; the limit says nothing about speed. */
const HUNG = 120_000;

function run(scenario: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const running = spawn(process.execPath, ['--expose-gc', child, scenario], { env, timeout: HUNG });
    let stdout = '';
    let stderr = '';
    running.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    running.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    running.on('error', reject);
    running.on('close', (code, signal) => {
      resolve({ code, signal, result: stdout === '' ? undefined : JSON.parse(stdout), stderr });
    });
  });
}

const runs: [scenario: string, reason: string][] = [
  ['leave', 'none'],
  ['abort', 'the reason'],
  ['consumer', 'the consumer'],
  ['token', 'ERR_TIMERNN_TOKEN'],
  ['dead', 'ERR_TIMERNN_WORKER'],
];
for (const [scenario, reason] of runs) {
  test(`no thread is left and the process ends by itself: ${scenario}`, async (t) => {
    const { code, signal, result, stderr } = await run(scenario);
    t.like({ code, signal, stderr }, { code: 0, signal: null, stderr: '' });
    t.like(result, { reason, left: 0 });
    if (process.platform === 'linux') t.true(Number(result?.started) >= 3, `${result?.started} threads started`);
  });
}

for (const scenario of ['exit', 'exitTraining']) {
  test(`process.exit() in a round ends the process with its code: ${scenario}`, async (t) => {
    const { code, signal, stderr } = await run(scenario);
    t.like({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
  });
}

test('an uncaught error in a round ends the process with that error', async (t) => {
  const { code, signal, stderr } = await run('uncaught');
  t.like({ code, signal }, { code: 1, signal: null });
  t.regex(stderr, /nobody catches this/);
});

test('iterators that are never used start nothing', async (t) => {
  t.like(await run('unused'), { code: 0, signal: null, stderr: '', result: { started: 0 } });
});

test('memory does not grow: thousands of windows, many short runs, many questions', async (t) => {
  const { code, result, stderr } = await run('memory');
  t.is(code, 0, stderr);
  const { windows, warm, long, short, asked } = result as Record<string, number>;
  t.log(`MiB: ${warm!.toFixed(0)} after 1000 windows, ${long!.toFixed(0)} after ${windows}, then ${short!.toFixed(0)}`);
  t.true(windows! >= 3000);
  // A leak of one workspace a window (about 100 KB) would be hundreds of MiB; an isolate's heap may still settle.
  t.true(long! < warm! + 40, `${warm} MiB, then ${long}`);
  t.true(short! < long! + 60, `${long} MiB, then ${short}`);
  t.true(asked! < short! + 40, `${short} MiB, then ${asked}`);
});
