/** The bytes of ONNX files: what a reader of protobuf finds in them, and the limit of their size. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import test from 'ava';
import { exportOnnx } from 'timernn';
import { encodeOnnx, LARGEST_MESSAGE, type OnnxModel } from '#src/exchange/onnx-proto.js';
import { folderOf, isCode } from '../models/helpers/models.js';
import { MIXED, randomModel } from './helpers/models.js';

/** The fields of a message: numbers as they are, all else as bytes. */
function fields(bytes: Uint8Array): Map<number, (bigint | Uint8Array)[]> {
  const reader = new BinaryReader(bytes);
  const found = new Map<number, (bigint | Uint8Array)[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value = type === WireType.Varint ? BigInt(reader.int64()) : reader.bytes();
    found.set(field, [...(found.get(field) ?? []), value]);
  }
  return found;
}

const text = (value: bigint | Uint8Array | undefined) => Buffer.from(value as Uint8Array).toString();
const inner = (value: bigint | Uint8Array | undefined) => fields(value as Uint8Array);

/** A model of one weight that is never looked at. */
const withWeight = (shape: number[]): OnnxModel => ({
  irVersion: 7,
  opset: 14,
  producer: { name: 'test', version: '0' },
  metadata: {},
  graph: {
    name: 'g',
    description: '',
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: [{ name: 'W', shape, type: 'float', data: () => new Float32Array(shape.reduce((a, b) => a * b, 1)) }],
  },
});

test('versions, metadata and every tensor are where onnx.proto has them', async (t) => {
  const model = randomModel(MIXED);
  const path = join(await folderOf(t), 'm.onnx');
  await exportOnnx(model, path);
  const file = fields(await readFile(path));
  t.deepEqual(file.get(1), [7n], 'ir_version');
  t.is(text(file.get(2)?.[0]), 'timernn');
  t.deepEqual(inner(file.get(8)?.[0]).get(2), [14n], 'opset');
  const metadata = new Map(
    file.get(14)!.map((entry) => [text(inner(entry).get(1)?.[0]), text(inner(entry).get(2)?.[0])]),
  );
  t.deepEqual(JSON.parse(metadata.get('spec')!), model.spec);
  t.deepEqual(JSON.parse(metadata.get('vocabulary')!), model.vocabulary.toJSON());
  t.is(metadata.get('vocabularyHash'), model.vocabulary.hash);
  const graph = inner(file.get(7)?.[0]);
  const operators = graph.get(1)!.map((node) => text(inner(node).get(4)?.[0]));
  const recurrent = ['LSTM', 'Squeeze', 'GRU', 'Squeeze', 'RNN', 'Squeeze'];
  t.deepEqual(operators, ['Gather', ...recurrent, 'MatMul', 'Add']);
  for (const tensor of graph.get(5)!.map(inner)) {
    const dims = tensor.get(1) as bigint[];
    const width = tensor.get(2)![0] === 1n ? 4n : 8n;
    const bytes = BigInt((tensor.get(9)![0] as Uint8Array).length);
    t.is(bytes, dims.reduce((a, b) => a * b) * width, text(tensor.get(8)?.[0]));
  }
});

test('a file larger than protobuf holds is refused before a weight is looked at', (t) => {
  const message = new RegExp(`Expected a model of at most ${LARGEST_MESSAGE} bytes, .*, got \\d{10} bytes`);
  for (const shape of [[2 ** 29], [2 ** 24, 2 ** 24], [2 ** 29 - 1]]) {
    t.throws(() => encodeOnnx(withWeight(shape)), isCode('ERR_TIMERNN_SPEC', shape.length === 1 ? message : undefined));
  }
  // A hundred bytes are more than enough for what is beside the weight; it is not made either.
  t.notThrows(() => encodeOnnx(withWeight([2 ** 29 - 25])));
});

test('lengths of nested messages are right on both sides of a varint’s step', (t) => {
  for (const count of [1, 20, 31, 32, 4_000, 4_095, 4_096, 600_000]) {
    const bytes = Buffer.concat([...encodeOnnx(withWeight([count]))]);
    const tensor = inner(inner(fields(bytes).get(7)?.[0]).get(5)?.[0]);
    t.is((tensor.get(9)![0] as Uint8Array).length, 4 * count);
  }
});
