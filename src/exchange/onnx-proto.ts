/**
 * ONNX messages on the wire, in pieces: no tensor is in memory twice, and the length is known before the first byte.
 * Messages, fields and their numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), of which
 * this is the small part that a graph with its weights needs. Refuses to do: knowing any operator; files that protobuf cannot hold.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { TimeRNNError } from '../errors.js';

/** TensorProto.DataType. */
const DATA_TYPE = { float: 1, int64: 7 } as const;
/** AttributeProto.AttributeType. */
const ATTRIBUTE_TYPE = { int: 2, strings: 8 } as const;
/** Protobuf's limit of one message, and so of one file: lengths are signed integers of 32 bits. */
export const LARGEST_MESSAGE = 2 ** 31 - 1;

/** A constant of the graph. */
export interface Initializer {
  name: string;
  shape: readonly number[];
  type: keyof typeof DATA_TYPE;
  /** Row-major; asked for when its turn has come, and not kept. */
  data: () => Float32Array | BigInt64Array;
}

/** An operation. */
export interface GraphNode {
  operator: string;
  name: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, number | readonly string[]>>;
}

/** An input or output of the graph; a dimension that is a word may be any number, the same wherever the word is. */
export interface ValueInfo {
  name: string;
  type: keyof typeof DATA_TYPE;
  shape: readonly (number | string)[];
}

/** A whole file. */
export interface OnnxModel {
  irVersion: number;
  opset: number;
  producer: { name: string; version: string };
  metadata: Readonly<Record<string, string>>;
  graph: {
    name: string;
    /** For a person who looks into the file. */
    description: string;
    nodes: readonly GraphNode[];
    initializers: readonly Initializer[];
    inputs: readonly ValueInfo[];
    outputs: readonly ValueInfo[];
  };
}

type Body = (writer: BinaryWriter) => void;

const text = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
const integer = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, WireType.Varint).int64(value);

function message(writer: BinaryWriter, field: number, body: Body): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  body(writer);
  writer.join();
}

function bytesOf(body: Body): Uint8Array {
  const writer = new BinaryWriter();
  body(writer);
  return writer.finish();
}

/** AttributeProto: name 1, i 3, strings 9, type 20. */
function attribute(writer: BinaryWriter, name: string, value: number | readonly string[]): void {
  text(writer, 1, name);
  if (typeof value === 'number') integer(writer, 3, value);
  else for (const item of value) text(writer, 9, item);
  integer(writer, 20, typeof value === 'number' ? ATTRIBUTE_TYPE.int : ATTRIBUTE_TYPE.strings);
}

/** NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. */
function node(writer: BinaryWriter, { operator, name, inputs, outputs, attributes = {} }: GraphNode): void {
  for (const input of inputs) text(writer, 1, input);
  for (const output of outputs) text(writer, 2, output);
  text(writer, 3, name);
  text(writer, 4, operator);
  for (const [key, value] of Object.entries(attributes)) message(writer, 5, (to) => attribute(to, key, value));
}

/** ValueInfoProto: name 1, type 2. TypeProto: tensor_type 1 (elem_type 1, shape 2). Dimension: dim_value 1, dim_param 2. */
function valueInfo(writer: BinaryWriter, { name, type, shape }: ValueInfo): void {
  const dimension = (to: BinaryWriter, size: number | string) =>
    typeof size === 'number' ? integer(to, 1, size) : text(to, 2, size);
  const tensor: Body = (to) => {
    integer(to, 1, DATA_TYPE[type]);
    message(to, 2, (inner) => {
      for (const size of shape) message(inner, 1, (innermost) => dimension(innermost, size));
    });
  };
  text(writer, 1, name);
  message(writer, 2, (to) => message(to, 1, tensor));
}

/** A part of the file: its length now, its bytes when they are written. */
interface Piece {
  length: number;
  bytes: () => Uint8Array;
}

const piece = (bytes: Uint8Array): Piece => ({ length: bytes.length, bytes: () => bytes });
const total = (pieces: readonly Piece[]) => pieces.reduce((sum, { length }) => sum + length, 0);

/** A length as a varint. Those beyond 32 bits are refused later, by the sum, so what they look like does not matter. */
const varint = (length: number) => bytesOf((writer) => void writer.uint32(Math.min(length, 2 ** 32 - 1)));
const tag = (field: number) => bytesOf((writer) => void writer.tag(field, WireType.LengthDelimited));

/** A field whose content is in pieces. */
const nested = (field: number, content: readonly Piece[]): Piece[] => [
  piece(tag(field)),
  piece(varint(total(content))),
  ...content,
];

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9 (little-endian). */
function tensor({ name, shape, type, data }: Initializer): Piece[] {
  const head = bytesOf((writer) => {
    for (const size of shape) integer(writer, 1, size);
    integer(writer, 2, DATA_TYPE[type]);
    text(writer, 8, name);
  });
  const count = shape.reduce((product, size) => product * size, 1);
  const bytes = () => {
    const { buffer, byteOffset, byteLength } = data();
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  return [piece(head), ...nested(9, [{ length: count * (type === 'float' ? 4 : 8), bytes }])];
}

/** GraphProto: node 1, name 2, initializer 5, doc_string 10, input 11, output 12. */
function graphPieces({ name, description, nodes, initializers, inputs, outputs }: OnnxModel['graph']): Piece[] {
  const head = bytesOf((writer) => {
    for (const each of nodes) message(writer, 1, (to) => node(to, each));
    text(writer, 2, name);
  });
  const tail = bytesOf((writer) => {
    text(writer, 10, description);
    for (const input of inputs) message(writer, 11, (to) => valueInfo(to, input));
    for (const output of outputs) message(writer, 12, (to) => valueInfo(to, output));
  });
  return [piece(head), ...initializers.flatMap((each) => nested(5, tensor(each))), piece(tail)];
}

/** ModelProto: ir_version 1, producer_name 2, producer_version 3, graph 7, opset_import 8, metadata_props 14. */
function modelPieces({ irVersion, opset, producer, metadata, graph }: OnnxModel): Piece[] {
  const head = bytesOf((writer) => {
    integer(writer, 1, irVersion);
    text(writer, 2, producer.name);
    text(writer, 3, producer.version);
  });
  const tail = bytesOf((writer) => {
    // OperatorSetIdProto: domain 1 (left out: ONNX's own), version 2.
    message(writer, 8, (to) => integer(to, 2, opset));
    // StringStringEntryProto: key 1, value 2.
    for (const [key, value] of Object.entries(metadata)) message(writer, 14, (to) => text(text(to, 1, key), 2, value));
  });
  return [piece(head), ...nested(7, graphPieces(graph)), piece(tail)];
}

/**
 * A model as the bytes of its file.
 *
 * @throws ERR_TIMERNN_SPEC for one that is larger than protobuf can hold; nothing has been asked for then
 */
export function encodeOnnx(model: OnnxModel): Iterable<Uint8Array> {
  const pieces = modelPieces(model);
  const length = total(pieces);
  if (length > LARGEST_MESSAGE) {
    throw new TimeRNNError(
      'ERR_TIMERNN_SPEC',
      `Expected a model of at most ${LARGEST_MESSAGE} bytes, which is what one ONNX file holds (protobuf's limit), got ${length} bytes`,
    );
  }
  return bytesInTurn(pieces);
}

function* bytesInTurn(pieces: readonly Piece[]): Generator<Uint8Array> {
  for (const { bytes } of pieces) yield bytes();
}
