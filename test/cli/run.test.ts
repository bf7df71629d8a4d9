/** `timernn train --run`: a run that is recorded, stopped, and goes on. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { jsonLines, temporaryFolder, timernn } from './helpers/cli.js';

const TEXT = 'The sea had jeeringly kept his finite body up, but drowned the infinite of his soul.\n'.repeat(60);
const TINY = '--size 16 --embedding 8 --streams 4 --window 16 --workers 2 --sample 20'.split(' ');

test('--run records, --resume goes on to the same bits, and Ctrl-C says so', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'book.txt'), TEXT);
  const args = ['train', 'book.txt', ...TINY, '--epochs', '80', '--optimizer', 'momentum', '--keep-best', '--json'];
  t.is((await timernn([...args, '--out', 'whole.safetensors', '--run', 'a', '--quiet'], { cwd })).code, 0);
  let sent = false;
  const { code, stdout, stderr } = await timernn([...args, '--run', 'b', '--checkpoint-seconds', '9'], {
    cwd,
    onOutput: (child, out) => {
      if (sent || !out.includes('"event":"epoch"')) return;
      sent = true;
      child.kill('SIGINT');
    },
  });
  t.is(code, 130, stderr);
  const { goOn, remark } = jsonLines(stdout).at(-1) as { goOn: string; remark: string };
  t.regex(remark, /not the best on held-out text; the best so far is in b\/best\.safetensors\.$/);
  t.regex(goOn, /^npx timernn train book\.txt .*--run b --checkpoint-seconds 9 .*--resume$/);
  t.is((await timernn([...goOn.split(' ').slice(2), '--quiet'], { cwd })).code, 0);
  t.deepEqual(await readFile(join(cwd, 'model.safetensors')), await readFile(join(cwd, 'whole.safetensors')));
  t.regex(await readFile(join(cwd, 'b', 'curve.svg'), 'utf8'), /Training on book\.txt/);
  const metrics = jsonLines(await readFile(join(cwd, 'b', 'metrics.jsonl'), 'utf8'));
  t.is(metrics.length, 80);
  const refused = await timernn([...args, '--run', 'b'], { cwd });
  t.is(refused.code, 1);
  t.is(refused.stdout, '');
  t.regex(refused.stderr, /Expected --run to name a folder without a run, or --resume beside it, got a run in b\n$/);
});

test('a report after --resume counts the whole run; one of a finished run is left as it is', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'book.txt'), TEXT);
  const args = ['train', 'book.txt', ...TINY, '--run', 'r', '--report', 'r.html'];
  const first = await timernn([...args, '--epochs', '3', '--resume'], { cwd });
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /\nrun +r \(holds nothing to go on with: a new run starts there\)\n/);
  const longer = [...args, '--epochs', '5', '--resume'];
  const second = await timernn(longer, { cwd });
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /\nrun +r, goes on from the start of epoch 4\n/);
  const html = await readFile(join(cwd, 'r.html'), 'utf8');
  t.regex(html, /<th scope="row">Epochs<\/th><td>5 of 5</);
  t.regex(html, /<td>1<\/td>.*<td>5<\/td>/s, 'rows of both processes');
  t.regex(html, /After epoch 4/);
  const metrics = jsonLines(await readFile(join(cwd, 'r', 'metrics.jsonl'), 'utf8')) as {
    seconds: number;
    tokens: number;
  }[];
  const seconds = metrics.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const speed = Number(/<dt>Speed<\/dt><dd>([\d,]+)\/s/.exec(html)![1]!.replaceAll(',', ''));
  t.true(Math.abs(speed / (metrics.at(-1)!.tokens / seconds) - 1) < 1e-3, `${speed}`);
  const again = await timernn(longer, { cwd });
  t.is(again.code, 0, again.stderr);
  t.regex(again.stdout, /\nrun +r, where 5 epochs are done\n/);
  t.notRegex(again.stdout, /Report:/);
  t.is(await readFile(join(cwd, 'r.html'), 'utf8'), html);
  t.is((await timernn([...longer.slice(0, -5), '--report', 'new.html', ...longer.slice(-3)], { cwd })).code, 0);
  t.regex(await readFile(join(cwd, 'new.html'), 'utf8'), /<th scope="row">Epochs<\/th><td>5 of 5</);
});

test('Ctrl-C without --run: what the model is, where it is not the best', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'book.txt'), TEXT);
  let sent = false;
  const { code, stdout, stderr } = await timernn(
    ['train', 'book.txt', ...TINY, '--epochs', '100000', '--keep-best', '--seed', '3', '--json'],
    {
      cwd,
      onOutput: (child, out) => {
        if (sent || !out.includes('"event":"epoch"')) return;
        sent = true;
        child.kill('SIGINT');
      },
    },
  );
  t.is(code, 130, stderr);
  t.regex(
    stderr,
    /Stopped by SIGINT\.\nThe model that was saved .*not the best on held-out text.*--run.*\nGo on with: .*--seed 3/,
  );
  t.regex(String(jsonLines(stdout).at(-1)!.remark), /not the best on held-out text/);
});

test('--average-from, --checkpoint-windows and --keep-checkpoints are what the run is made with', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'book.txt'), TEXT);
  const optimizer = ['--optimizer', 'adam', '--average-from', '20', '--schedule', 'plateau', '--warmup', '3'];
  const args = ['train', 'book.txt', ...TINY, '--epochs', '3', ...optimizer];
  const record = ['--run', 'r', '--checkpoint-windows', '7', '--keep-checkpoints', '4'];
  const { code, stdout, stderr } = await timernn([...args, ...record, '--json'], { cwd });
  t.is(code, 0, stderr);
  const { options } = JSON.parse(await readFile(join(cwd, 'r', 'run.json'), 'utf8')) as { options: object };
  const schedule = { kind: 'plateau', factor: 0.25, restore: false };
  t.like(options, { optimizer: { name: 'adam', averageFrom: { step: 20 } }, schedule, warmup: 3 });
  const names = (await readdir(join(cwd, 'r', 'checkpoints'))).map((name) => Number.parseInt(name, 10));
  const { windows } = jsonLines(stdout).find(({ event }) => event === 'progress') as { windows: number };
  const due = [...Array(3 * windows + 1).keys()].filter((done) => done % windows === 0 || done % 7 === 0);
  t.deepEqual(
    names.sort((a, b) => a - b),
    due.slice(-4),
  );
  const plain = await timernn(['train', 'book.txt', ...TINY, '--epochs', '1', '--average-from', '5', '--json'], {
    cwd,
  });
  t.is(plain.code, 0, plain.stderr);
  const lines = jsonLines(plain.stdout);
  t.like(lines[0], { optimizer: 'sgd, averaged after update 5', schedule: 'exponential (factor 0.9)' });
  t.like(
    lines.find(({ event }) => event === 'epoch'),
    { learningRate: 1 },
    'without --optimizer the rate stays that of the command line',
  );
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} in the middle of an epoch writes a checkpoint of that window`, async (t) => {
    const cwd = await temporaryFolder(t);
    await writeFile(join(cwd, 'book.txt'), TEXT.repeat(1000));
    let seen = 0;
    const args = [
      'train',
      'book.txt',
      ...TINY,
      '--epochs',
      '1',
      '--run',
      'r',
      '--checkpoint-seconds',
      '9999',
      '--json',
    ];
    const { code, stdout, stderr } = await timernn(args, {
      cwd,
      onOutput: (child, out) => {
        const window = Number(/"event":"progress".*?"window":(\d+)/.exec(out)?.[1] ?? 0);
        if (seen > 0 || window === 0) return;
        seen = window;
        child.kill(signal);
      },
    });
    t.is(code, signal === 'SIGINT' ? 130 : 143, stderr);
    const { windows } = jsonLines(stdout).find(({ event }) => event === 'progress') as { windows: number };
    const names = (await readdir(join(cwd, 'r', 'checkpoints'))).sort().map((name) => Number.parseInt(name, 10));
    t.is(names.length, 2, 'that of the start, and one that no clock asked for');
    const last = jsonLines(stdout).findLast(({ event }) => event === 'progress') as { window: number };
    t.true(seen <= last.window && last.window <= names[1]! && names[1]! < windows, `${seen}, ${names}, ${windows}`);
  });
}
