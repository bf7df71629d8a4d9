import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { TimeRNNError } from 'timernn';
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInput,
  writeSafetensors,
} from '#src/checkpoint/safetensors.js';

const isCode = (code: string) => ({ instanceOf: TimeRNNError, code });

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-safetensors-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

const everyType: TensorInput[] = [
  { name: 'u8', shape: [3], data: Uint8Array.of(0, 127, 255) },
  { name: 'i8', shape: [1], data: Int8Array.of(-128) },
  { name: 'u16', shape: [1], data: Uint16Array.of(65535) },
  { name: 'i16', shape: [1], data: Int16Array.of(-32768) },
  { name: 'u32', shape: [1, 2], data: Uint32Array.of(0, 2 ** 32 - 1) },
  { name: 'i32', shape: [2, 1], data: Int32Array.of(-1, 2 ** 31 - 1) },
  { name: 'u64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
  { name: 'i64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
  { name: 'f32', shape: [2, 2], data: Float32Array.of(1.5, -0, Number.NaN, Number.NEGATIVE_INFINITY) },
  { name: 'f64', shape: [], data: Float64Array.of(1 / 3) },
  { name: 'empty', shape: [4, 0], data: new Float32Array(0) },
  { name: '__proto__', shape: [1], data: Float32Array.of(7) },
  { name: 'Größe "🐋"\n', shape: [1], data: Float32Array.of(8) },
];

test('what is written is read back: every dtype, shape, name and metadata', async (t) => {
  const path = join(await folderOf(t), 'all.safetensors');
  const metadata = new Map([
    ['spec', '{"a":1}'],
    ['__proto__', 'x'],
    ['ä\u0000', '🐋\n'],
  ]);
  await writeSafetensors(path, everyType, metadata);
  const read = await readSafetensors(path);
  t.deepEqual(read.metadata, metadata);
  t.deepEqual([...read.tensors.keys()].sort(), everyType.map(({ name }) => name).sort());
  for (const { name, shape, data } of everyType) t.like(read.tensors.get(name), { shape, data }, name);
});

test('the header is padded and every tensor lies at a multiple of its element size', async (t) => {
  const path = join(await folderOf(t), 'aligned.safetensors');
  await writeSafetensors(path, everyType, { a: 'b' });
  const { tensors, dataStart } = await readSafetensorsHeader(path);
  t.is(dataStart % 8, 0);
  t.is((await readFile(path))[dataStart - 1], 0x20);
  const sizes = new Map(everyType.map(({ name, data }) => [name, data.BYTES_PER_ELEMENT]));
  for (const { name, begin } of tensors) t.is(begin % sizes.get(name)!, 0, name);
});

test('no tensors, no metadata', async (t) => {
  const path = join(await folderOf(t), 'none.safetensors');
  await writeSafetensors(path, []);
  t.deepEqual(await readSafetensors(path), { metadata: new Map(), tensors: new Map() });
});

test('a file written by the Python package is read', async (t) => {
  const { metadata, tensors } = await readSafetensors('test/fixtures/python.safetensors');
  t.deepEqual(metadata.get('format'), 'np');
  t.deepEqual(metadata.get('Größe'), 'drei\n"Zeilen" 🐋');
  const expected = {
    Wx: { dtype: 'F32', shape: [2, 3], data: Float32Array.of(-0.5, -0.25, 0, 0.25, 0.5, 0.75) },
    precise: { dtype: 'F64', shape: [2], data: Float64Array.of(1 / 3, -1e300) },
    steps: { dtype: 'I64', shape: [2], data: BigInt64Array.of(2n ** 53n + 1n, -1n) },
    ids: { dtype: 'U32', shape: [2], data: Uint32Array.of(0, 2 ** 32 - 1) },
    labels: { dtype: 'I32', shape: [2, 1], data: Int32Array.of(-1, 2 ** 31 - 1) },
    bytes: { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 127, 255) },
    scalar: { dtype: 'F32', shape: [], data: Float32Array.of(2.5) },
    empty: { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
  };
  for (const [name, tensor] of Object.entries(expected)) t.deepEqual(tensors.get(name), tensor as never, name);
  t.is(tensors.get('__proto__')?.data[0], 7);
  t.is(tensors.size, 9);
});

test('tensors in shared memory are written, and read into arrays of the caller', async (t) => {
  const path = join(await folderOf(t), 'shared.safetensors');
  const length = 1_200_000; // more than one read and write call
  const data = new Float32Array(new SharedArrayBuffer(length * 4 + 16), 16, length).map((_, i) => i);
  const shared = new Float32Array(new SharedArrayBuffer(length * 4 + 16), 16, length);
  shared.set(data);
  await writeSafetensors(
    path,
    [
      { name: 'w', shape: [length], data: shared },
      { name: 'b', shape: [1], data: Float32Array.of(3) },
    ],
    { k: 'v' },
  );
  const target = new Float32Array(new SharedArrayBuffer(length * 4 + 16), 16, length);
  const seen: string[] = [];
  const { tensors } = await readSafetensors(path, {
    destination: ({ name, dtype, shape }, metadata) => {
      seen.push(`${name} ${dtype} ${shape} ${metadata.get('k')}`);
      return name === 'w' ? target : undefined;
    },
  });
  t.deepEqual(seen, [`w F32 ${length} v`, 'b F32 1 v']);
  t.is(tensors.get('w')?.data, target);
  t.true(Buffer.from(target.buffer).equals(Buffer.from(shared.buffer)));
  t.is(tensors.get('b')?.data[0], 3);
});

test('a destination that does not fit is an error, and its own errors come through', async (t) => {
  const path = join(await folderOf(t), 'x.safetensors');
  await writeSafetensors(path, [{ name: 'w', shape: [2], data: Float32Array.of(1, 2) }]);
  for (const data of [new Float32Array(3), new Int32Array(2)]) {
    const expected = { ...isCode('ERR_TIMERNN_SHAPE'), message: /tensor "w" .* got F32 of shape \[2\]/ };
    await t.throwsAsync(readSafetensors(path, { destination: () => data }), expected);
  }
  const own = new TimeRNNError('ERR_TIMERNN_SPEC', 'other model');
  const destination = () => {
    throw own;
  };
  await t.throwsAsync(readSafetensors(path, { destination }), { is: own });
});

test('what cannot be written is refused before a file is made', async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, 'x.safetensors');
  const data = Float32Array.of(1, 2);
  const good = { name: 'a', shape: [2], data };
  const cases: [TensorInput[], object, string][] = [
    [[good, good], {}, 'ERR_TIMERNN_FORMAT'],
    [[{ ...good, name: '__metadata__' }], {}, 'ERR_TIMERNN_FORMAT'],
    [[{ ...good, name: '\ud800' }], {}, 'ERR_TIMERNN_FORMAT'],
    [[{ ...good, data: [1, 2] as never }], {}, 'ERR_TIMERNN_FORMAT'],
    [[{ ...good, data: new Uint8ClampedArray(2) as never }], {}, 'ERR_TIMERNN_FORMAT'],
    [[{ ...good, shape: [3] }], {}, 'ERR_TIMERNN_SHAPE'],
    [[{ ...good, shape: [-1, -2] }], {}, 'ERR_TIMERNN_SHAPE'],
    [[{ ...good, shape: [4, 0.5] }], {}, 'ERR_TIMERNN_SHAPE'],
    [[{ ...good, shape: 2 as never }], {}, 'ERR_TIMERNN_SHAPE'],
    [[good], { a: 1 }, 'ERR_TIMERNN_FORMAT'],
    [[good], { a: '\udc00' }, 'ERR_TIMERNN_FORMAT'],
    [[good], { a: 'x'.repeat(100_000_001) }, 'ERR_TIMERNN_FORMAT'],
  ];
  for (const [tensors, metadata, code] of cases) {
    await t.throwsAsync(writeSafetensors(path, tensors, metadata as Record<string, string>), isCode(code));
  }
  t.deepEqual(await readdir(folder), []);
  await t.throwsAsync(writeSafetensors(join(folder, 'no', 'x'), [good]), isCode('ERR_TIMERNN_FILE'));
});

test('files that cannot be read', async (t) => {
  const folder = await folderOf(t);
  const missing = join(folder, 'missing.safetensors');
  await t.throwsAsync(readSafetensors(missing), { ...isCode('ERR_TIMERNN_FILE'), message: /missing.*no such file/ });
  for (const path of [folder, '/dev/zero']) {
    await t.throwsAsync(readSafetensors(path), { ...isCode('ERR_TIMERNN_FILE'), message: /regular file/ });
  }
  for (const path of ['', 'a\0', undefined])
    await t.throwsAsync(readSafetensors(path as never), isCode('ERR_TIMERNN_OPTION'));
});

test('a file that claims more than memory holds', async (t) => {
  const path = join(await folderOf(t), 'sparse.safetensors');
  const size = 2 ** 43; // sparse: takes no disk
  const header = Buffer.from(`{"w":{"dtype":"U8","shape":[${size}],"data_offsets":[0,${size}]}}`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, header]));
  await truncate(path, 8 + header.length + size);
  await t.throwsAsync(readSafetensors(path), { ...isCode('ERR_TIMERNN_FORMAT'), message: /"w" to fit into memory/ });
});

test('fuzz: truncations, byte flips and extra bytes never throw anything but TimeRNNError', async (t) => {
  const folder = await folderOf(t);
  const original = join(folder, 'good.safetensors');
  await writeSafetensors(original, everyType, { spec: '{"layers":[]}', cursor: '12' });
  const good = await readFile(original);
  const { dataStart } = await readSafetensorsHeader(original);
  const path = join(folder, 'bad.safetensors');
  // Mostly in the header, where flips matter.
  const place = fc.oneof({ weight: 4, arbitrary: fc.nat(dataStart) }, fc.nat(good.length - 1));
  const flips = fc.array(fc.tuple(place, fc.nat(255)), { maxLength: 4 });
  const cut = fc.option(fc.nat(good.length));
  const extra = fc.uint8Array({ maxLength: 9 });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(flips, cut, extra, async (changes, end, tail) => {
      const bytes = Buffer.concat([good.subarray(0, end ?? good.length), tail]);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      await writeFile(path, bytes);
      try {
        const { tensors } = await readSafetensors(path);
        t.true(bytes.length === good.length || end !== null, 'extra bytes must not pass');
        t.true([...tensors.values()].every(({ data }) => data.byteLength <= bytes.length));
      } catch (error) {
        if (!(error instanceof TimeRNNError && error.code === 'ERR_TIMERNN_FORMAT')) throw error;
        refused++;
      }
    }),
    { numRuns: 800 },
  );
  t.true(refused > 400);
  t.true((await stat(original)).size === good.length);
});
