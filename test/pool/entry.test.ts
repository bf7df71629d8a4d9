/** How threads start: without `require` of an ES module, in which a terminated thread takes the whole process along. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

/** Reads a text in a thread and trains with two. */
const PROGRAM = `
  import { writeFile, mkdtemp, rm } from 'node:fs/promises';
  import { tmpdir } from 'node:os';
  import { join } from 'node:path';
  import { Corpus, LanguageModel } from 'timernn';
  const folder = await mkdtemp(join(tmpdir(), 'timernn-entry-'));
  await writeFile(join(folder, 'sea.txt'), 'the sea, the sea; '.repeat(200));
  const corpus = await Corpus.fromFile(join(folder, 'sea.txt'), { unit: 'char' });
  await rm(folder, { recursive: true });
  const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 8 }] });
  let tokens = 0;
  for await (const progress of model.train(corpus, { streams: 4, window: 16, epochs: 1, workers: 2 })) tokens = progress.tokens;
  console.log(tokens > 0 ? 'trained' : 'nothing happened');
`;

test('no thread requires an ES module', async (t) => {
  const args = ['--trace-require-module=all', '--input-type=module', '--eval', PROGRAM];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  t.is(stdout, 'trained\n');
  t.notRegex(stderr, /require\(\)/);
});

test('that would be seen', async (t) => {
  const program = `require(${JSON.stringify(new URL(import.meta.resolve('timernn')).pathname)})`;
  const args = ['--trace-require-module=all', '--input-type=commonjs', '--eval', program];
  const { stderr } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' } });
  t.regex(stderr, /require\(\)/);
});
