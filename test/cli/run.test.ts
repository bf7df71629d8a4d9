/** `timernn train --run`: a run that is recorded, stopped, and goes on. */
import { readFile, writeFile } from 'node:fs/promises';
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
  const { goOn } = jsonLines(stdout).at(-1) as { goOn: string };
  t.regex(goOn, /^npx timernn train book\.txt .*--run b --checkpoint-seconds 9 .*--resume$/);
  t.is((await timernn([...goOn.split(' ').slice(2), '--quiet'], { cwd })).code, 0);
  t.deepEqual(await readFile(join(cwd, 'model.safetensors')), await readFile(join(cwd, 'whole.safetensors')));
  t.regex(await readFile(join(cwd, 'b', 'curve.svg'), 'utf8'), /Training on book\.txt/);
  const metrics = jsonLines(await readFile(join(cwd, 'b', 'metrics.jsonl'), 'utf8'));
  t.is(metrics.length, 80);
  const refused = await timernn([...args, '--run', 'b'], { cwd });
  t.is(refused.code, 1);
  t.is(refused.stdout, '');
  t.regex(refused.stderr, /--run: b holds a run; expected --resume to go on with it, or another folder\n$/);
});
