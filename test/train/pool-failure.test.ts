/** A pool that cannot be made: the directory of the run is free again. In a file of its own, since it replaces a call. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { native } from '#src/native.js';
import { folderOf, newModel } from '../models/helpers/models.js';
import { corpus, goOn, record, SHORT, text } from './helpers/recorded.js';

test('a pool that cannot be made gives the lock back', async (t) => {
  const directory = join(await folderOf(t), 'run');
  const { resetControl } = native;
  native.resetControl = () => {
    throw new Error('from the test');
  };
  t.teardown(() => {
    native.resetControl = resetControl;
  });
  await t.throwsAsync(record(newModel(corpus), text, { ...SHORT, run: { directory } }), { message: 'from the test' });
  t.false((await readdir(directory)).includes('lock'));
  native.resetControl = resetControl;
  t.true(await goOn(directory));
});
