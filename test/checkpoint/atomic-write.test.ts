import { existsSync } from 'node:fs';
import * as promises from 'node:fs/promises';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TimeRNNError } from 'timernn';
import { type FileSystem, type OpenFile, writeFileAtomic } from '#src/checkpoint/atomic-write.js';

const isFileError = { instanceOf: TimeRNNError, code: 'ERR_TIMERNN_FILE' };

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-write-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** A folder with a file that must survive, and a check that it is all there is. */
async function withOldFile(t: ExecutionContext) {
  const folder = await folderOf(t);
  const path = join(folder, 'model.bin');
  await writeFile(path, 'old');
  const expectUntouched = async () => {
    t.is(await readFile(path, 'utf8'), 'old');
    t.deepEqual(await readdir(folder), ['model.bin']);
  };
  return { path, expectUntouched };
}

/** Node's file system, with some calls of the temporary file replaced. */
function failing(overrides: Partial<OpenFile>): FileSystem {
  return {
    ...promises,
    open: async (path, flags, mode) => {
      const file = await promises.open(path, flags, mode);
      if (!path.endsWith('.tmp')) return file;
      return {
        write: (bytes, offset, length) => file.write(bytes, offset, length),
        chmod: (mode) => file.chmod(mode),
        sync: () => file.sync(),
        close: () => file.close(),
        ...overrides,
      };
    },
  };
}

const systemError = (code: string) => Object.assign(new Error(`${code}: from the test`), { code });

test('chunks in order, from arrays, generators and shared memory', async (t) => {
  const path = join(await folderOf(t), 'new.bin');
  async function* chunks() {
    yield Buffer.from('one ');
    yield new Uint8Array(0);
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 4);
    shared.set(Buffer.from('two '));
    yield shared;
    yield Buffer.from('.three').subarray(1);
  }
  await writeFileAtomic(path, chunks());
  t.is(await readFile(path, 'utf8'), 'one two three');
  await writeFileAtomic(path, [Buffer.from('short')]);
  t.is(await readFile(path, 'utf8'), 'short');
  await writeFileAtomic(path, []);
  t.is((await stat(path)).size, 0);
  t.deepEqual(await readdir(dirname(path)), ['new.bin']);
});

test('chunks larger than a write call, private and shared', async (t) => {
  const path = join(await folderOf(t), 'large.bin');
  const large = new Uint8Array(9_000_001).map((_, i) => i % 251);
  const shared = new Uint8Array(new SharedArrayBuffer(large.length));
  shared.set(large);
  const small = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
  await writeFileAtomic(path, [small, shared, large]);
  t.true((await readFile(path)).equals(Buffer.concat([small, large, large])));
});

test('partial writes are continued', async (t) => {
  const path = join(await folderOf(t), 'partial.bin');
  const fs: FileSystem = {
    ...promises,
    open: async (name, flags, mode) => {
      const file = await promises.open(name, flags, mode);
      return {
        write: (bytes, offset, length) => file.write(bytes, offset, Math.min(length, 3)),
        chmod: (mode) => file.chmod(mode),
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
  };
  await writeFileAtomic(path, [Buffer.from('0123456789')], fs);
  t.is(await readFile(path, 'utf8'), '0123456789');
});

test('the order is write, sync, close, rename, sync of the folder', async (t) => {
  const path = join(await folderOf(t), 'model.bin');
  const calls: string[] = [];
  const noted = <T>(name: string, call: () => T): T => {
    calls.push(name);
    return call();
  };
  const fs: FileSystem = {
    ...promises,
    open: async (name, flags, mode) => {
      const file = await promises.open(name, flags, mode);
      const what = name === dirname(path) ? 'folder' : 'file';
      t.true(what === 'folder' || dirname(name) === dirname(path), 'the temporary file is in the same folder');
      return {
        write: (bytes, offset, length) => noted(`write ${what}`, () => file.write(bytes, offset, length)),
        chmod: (mode) => file.chmod(mode),
        sync: () => noted(`sync ${what}`, () => file.sync()),
        close: () => noted(`close ${what}`, () => file.close()),
      };
    },
    rename: (from, to) => noted(`rename to ${basename(to)}`, () => promises.rename(from, to)),
  };
  await writeFileAtomic(path, [Buffer.from('x')], fs);
  const expected = ['write file', 'sync file', 'close file', 'rename to model.bin', 'sync folder', 'close folder'];
  t.deepEqual(calls, expected);
});

const withDevFull = existsSync('/dev/full') ? test : test.skip; // skipped where there is none, as on macOS
withDevFull('a full disk, as /dev/full reports it: the old file stays, the temporary one goes', async (t) => {
  const { path, expectUntouched } = await withOldFile(t);
  const fs = failing({
    write: async (bytes, offset, length) => {
      const full = await promises.open('/dev/full', 'w');
      try {
        return await full.write(bytes, offset, length);
      } finally {
        await full.close();
      }
    },
  });
  const error = await t.throwsAsync(writeFileAtomic(path, [Buffer.from('new')], fs), {
    ...isFileError,
    message: `Expected ${path} to be writable, got a full disk (ENOSPC)`,
  });
  t.is((error?.cause as NodeJS.ErrnoException | undefined)?.code, 'ENOSPC');
  await expectUntouched();
});

test('failures at every step: the old file stays, the temporary one goes', async (t) => {
  const { path, expectUntouched } = await withOldFile(t);
  const cases: [string, FileSystem][] = [
    ['EIO', failing({ write: () => Promise.reject(systemError('EIO')) })],
    ['none', failing({ write: async () => ({ bytesWritten: 0 }) })],
    ['EDQUOT', failing({ sync: () => Promise.reject(systemError('EDQUOT')) })],
    ['EIO', failing({ close: () => Promise.reject(systemError('EIO')) })],
    ['EACCES', { ...promises, open: () => Promise.reject(systemError('EACCES')) }],
    ['EROFS', { ...promises, rename: () => Promise.reject(systemError('EROFS')) }],
    ['EXDEV', { ...promises, rename: () => Promise.reject(systemError('EXDEV')) }],
  ];
  for (const [code, fs] of cases) {
    await t.throwsAsync(writeFileAtomic(path, [Buffer.from('new')], fs), { ...isFileError, message: RegExp(code) });
    await expectUntouched();
  }
});

test('chunks that fail half-way: the old file stays; a TimeRNNError comes through as it is', async (t) => {
  const { path, expectUntouched } = await withOldFile(t);
  const cause = new Error('no more');
  function* chunks(error: Error) {
    yield Buffer.from('half');
    throw error;
  }
  const error = await t.throwsAsync(writeFileAtomic(path, chunks(cause)), { ...isFileError, message: /no more/ });
  t.is(error?.cause, cause);
  await expectUntouched();
  const own = new TimeRNNError('ERR_TIMERNN_STATE', 'busy');
  await t.throwsAsync(writeFileAtomic(path, chunks(own)), { is: own });
  await expectUntouched();
  const text = ['text'] as unknown as Uint8Array[];
  await t.throwsAsync(writeFileAtomic(path, text), { instanceOf: TimeRNNError, code: 'ERR_TIMERNN_INTERNAL' });
  await expectUntouched();
});

test('folders that are missing or are files; targets that are no files', async (t) => {
  const { path, expectUntouched } = await withOldFile(t);
  const chunks = [Buffer.from('new')];
  const missing = join(dirname(path), 'missing', 'model.bin');
  await t.throwsAsync(writeFileAtomic(missing, chunks), { ...isFileError, message: /folder that does not exist/ });
  await t.throwsAsync(writeFileAtomic(join(path, 'x'), chunks), { ...isFileError, message: /not a folder/ });
  await expectUntouched();
  const folder = join(dirname(path), 'folder');
  await mkdir(folder);
  for (const target of [folder, '/dev/null']) {
    await t.throwsAsync(writeFileAtomic(target, chunks), { ...isFileError, message: /a regular file, got/ });
  }
  t.true((await stat('/dev/null')).isCharacterDevice());
  t.deepEqual((await readdir(dirname(path))).sort(), ['folder', 'model.bin']);
  const bad = { instanceOf: TimeRNNError, code: 'ERR_TIMERNN_OPTION' };
  for (const name of ['', 'a\0b', undefined]) await t.throwsAsync(writeFileAtomic(name as never, chunks), bad);
});

test('a folder that cannot be synced is no failure, a disk that fails then is', async (t) => {
  const path = join(await folderOf(t), 'model.bin');
  const folderSync = (code: string): FileSystem => ({
    ...promises,
    open: async (name, flags, mode) => {
      if (name === dirname(path)) throw systemError(code);
      return promises.open(name, flags, mode);
    },
  });
  await writeFileAtomic(path, [Buffer.from('new')], folderSync('EINVAL'));
  t.is(await readFile(path, 'utf8'), 'new');
  await t.throwsAsync(writeFileAtomic(path, [Buffer.from('newer')], folderSync('EIO')), isFileError);
  t.deepEqual(await readdir(dirname(path)), ['model.bin']);
});

test('a name of as many bytes as systems allow has room for a temporary one', async (t) => {
  const path = join(await folderOf(t), `${'海'.repeat(80)}.bin`);
  await writeFileAtomic(path, [Buffer.from('new')]);
  t.deepEqual(await readdir(dirname(path)), [basename(path)]);
});

for (const mode of [0o600, 0o666]) {
  test(`the mode of a file is kept, whatever the umask: ${mode.toString(8)}`, async (t) => {
    const { path } = await withOldFile(t);
    await chmod(path, mode);
    await writeFileAtomic(path, [Buffer.from('new')]);
    t.is((await stat(path)).mode & 0o777, mode);
  });
}

test('a symbolic link is followed, and the mode is kept', async (t) => {
  const { path } = await withOldFile(t);
  await chmod(path, 0o600);
  const link = join(dirname(path), 'latest.bin');
  await symlink('model.bin', link);
  await writeFileAtomic(link, [Buffer.from('new')]);
  t.is(await readFile(path, 'utf8'), 'new');
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.true((await promises.lstat(link)).isSymbolicLink());
});
