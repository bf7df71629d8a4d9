/** `timernn serve` as a process: from its first line to its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cleanEnvironment, entry, timernn } from '../cli/helpers/cli.js';
import { smallModel } from './helpers/model.js';

const TOKEN = 'a-token-for-this-test-alone';
let cwd = '';

test.before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'timernn-serve-'));
  await (await smallModel()).save(join(cwd, 'm.safetensors'));
  await writeFile(join(cwd, 'token'), `${TOKEN}\n`);
  await writeFile(join(cwd, 'empty'), '\n');
});
test.after.always(() => rm(cwd, { recursive: true, force: true }));

interface Running {
  child: ChildProcess;
  url: string;
  output(): { stdout: string; stderr: string };
}

/** Starts the service and waits for the line that says so. */
async function start(t: ExecutionContext, args: string[], env: Record<string, string> = {}): Promise<Running> {
  const child = spawn(process.execPath, [entry, 'serve', 'm.safetensors', '--port', '0', ...args], {
    cwd,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  const url = await new Promise<string>((found, failed) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
      const ready = /listening on (\S+)\n[\s\S]*: ready/.exec(output.stderr);
      if (ready !== null) found(ready[1]!);
    });
    child.once('close', (code) => failed(new Error(`ended with ${code}: ${output.stderr}`)));
  });
  return { child, url, output: () => output };
}

async function stop({ child }: Running, signal: NodeJS.Signals): Promise<number | null> {
  child.kill(signal);
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}

test('listens, answers, logs, and ends with 0 on SIGTERM; an open stream is finished first', async (t) => {
  const running = await start(t, ['--precision', 'bfloat16']);
  const { url } = running;
  t.is((await fetch(`${url}/readyz`)).status, 200);
  t.like(await (await fetch(`${url}/v1/model`)).json(), { precision: 'bfloat16', unit: 'char' });
  const headers = { 'content-type': 'application/json' };
  const opened = await fetch(`${url}/v1/sessions`, { method: 'POST' });
  const { id } = (await opened.json()) as { id: string };
  const stepped = await fetch(`${url}/v1/sessions/${id}/step`, { method: 'POST', headers, body: '{"token":"t"}' });
  t.is(stepped.status, 200);
  t.regex(await (await fetch(`${url}/metrics`)).text(), /timernn_sessions 1/);
  const body = JSON.stringify({ length: 2000, stream: true });
  const stream = await fetch(`${url}/v1/generate`, { method: 'POST', headers, body });
  const code = stop(running, 'SIGTERM');
  t.regex(await stream.text(), /event: done\n/);
  t.is(await code, 0);
  const { stdout, stderr } = running.output();
  t.regex(
    stderr,
    /^timernn serve: listening on http:\/\/127\.0\.0\.1:\d+\ntimernn serve: ready: [\d,]+ parameters, bfloat16, no token\n/,
  );
  t.regex(stderr, /SIGTERM: finishing what runs\n$/);
  const lines = stdout.trimEnd().split('\n');
  t.true(lines.every((line) => typeof JSON.parse(line) === 'object'));
  t.true(stdout.includes('"route":"/v1/sessions/:id/step"'));
  t.false(stdout.includes(id), 'the id of a session gives access to it');
});

test('with a token file and Ctrl-C; --log-level silent is silent', async (t) => {
  const running = await start(t, [
    '--token-file',
    'token',
    '--log-level',
    'silent',
    '--no-metrics',
    '--host',
    '0.0.0.0',
  ]);
  const url = running.url.replace('0.0.0.0', '127.0.0.1');
  t.is((await fetch(`${url}/v1/model`)).status, 401);
  t.is((await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).status, 404);
  t.is((await fetch(`${url}/v1/model`, { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200);
  t.is(await stop(running, 'SIGINT'), 0);
  t.is(running.output().stdout, '');
  t.false(running.output().stderr.includes(TOKEN));
});

test('limits come from the command line, the token from the environment', async (t) => {
  const running = await start(t, ['--max-sessions', '1', '--rate-limit', '1000', '--session-ttl', '60.5'], {
    TIMERNN_TOKEN: TOKEN,
  });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const opened = await fetch(`${running.url}/v1/sessions`, { method: 'POST', headers });
  t.like(await opened.json(), { expiresIn: 60.5 });
  t.is((await fetch(`${running.url}/v1/sessions`, { method: 'POST', headers })).status, 429);
  t.is(await stop(running, 'SIGTERM'), 0);
});

const MISTAKES: [args: string[], code: number, says: RegExp][] = [
  [
    ['--host', '0.0.0.0'],
    2,
    /--host: expected a loopback address or a token .*, got "0\.0\.0\.0" without one; --insecure/,
  ],
  [['--host', '::'], 2, /--host: expected a loopback address or a token/],
  [['--token-file', 'none'], 1, /Cannot read none: /],
  [['--token-file', 'empty'], 2, /--token-file: expected a token on the first line of empty, got an empty file/],
  [['--port', '70000'], 2, /--port: expected an integer from 0 to 65535, got "70000"/],
  [['--precision', 'half'], 2, /--precision: expected one of float32, bfloat16, int8, got "half"/],
  [['--trust-proxy', 'nobody'], 1, /Expected trustProxy to be IP addresses or ranges, .*, got "nobody"/],
  [['--max-batch', '100000'], 1, /Expected maxBatch to be a positive integer and at most 65536, got 100000/],
];

for (const [args, code, says] of MISTAKES) {
  test(`a mistake is one line: ${args.join(' ')}`, async (t) => {
    const outcome = await timernn(['serve', 'm.safetensors', ...args], { cwd });
    t.is(outcome.code, code, outcome.stderr);
    t.regex(outcome.stderr, says);
  });
}

test('a weak token is refused and not repeated; a missing model is one line', async (t) => {
  const weak = await timernn(['serve', 'm.safetensors'], { cwd, env: { TIMERNN_TOKEN: 'hunter2' } });
  t.is(weak.code, 1);
  t.regex(weak.stderr, /Expected token to have at least 16 letters/);
  t.false(weak.stderr.includes('hunter2'));
  const missing = await timernn(['serve', 'none.safetensors'], { cwd });
  t.is(missing.code, 1);
  t.regex(missing.stderr, /^timernn serve: .*none\.safetensors.*\n$/);
});
