import test from 'ava';
import fc from 'fast-check';
import { TimeRNNError } from 'timernn';
import { parseHeader, parseHeaderLength } from '#src/checkpoint/safetensors-header.js';

const isFormat = { instanceOf: TimeRNNError, code: 'ERR_TIMERNN_FORMAT' };

const parse = (json: string | Uint8Array, dataSize: number) => {
  const bytes = Buffer.from(json as string);
  return parseHeader('x.safetensors', bytes, 8 + bytes.length + dataSize);
};
const tensor = (begin: unknown, end: unknown, shape: unknown = [1], dtype: unknown = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

function lengthField(length: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}

test('a correct header, whatever the order of its names, and with empty tensors in between', (t) => {
  const json = `{"b":${tensor(4, 8)},"none":${tensor(4, 4, [0, 9])},"a":${tensor(0, 4, [])},"__metadata__":{"k":"v"}}  \n`;
  const { tensors, metadata, dataStart } = parse(json, 8);
  t.deepEqual(
    tensors.map(({ name }) => name),
    ['a', 'none', 'b'],
  );
  t.deepEqual([...metadata], [['k', 'v']]);
  t.is(dataStart, 8 + json.length);
});

test('the length field: short files, huge lengths, lengths past the end', (t) => {
  t.is(parseHeaderLength('x', lengthField(2n), 10), 2);
  const cases: [Uint8Array, number, RegExp][] = [
    [new Uint8Array(0), 0, /at least 8 bytes, got 0 bytes/],
    [new Uint8Array(7), 7, /at least 8 bytes, got 7 bytes/],
    [lengthField(3n), 10, /within the file of 10 bytes, got a header length of 3/],
    [lengthField(100_000_001n), 2 ** 40, /at most 100000000 bytes, got a length of 100000001/],
    [lengthField(2n ** 64n - 1n), 2 ** 40, /got a length of 18446744073709551615/],
    [lengthField(2n ** 63n), 2 ** 40, /at most/],
    [Buffer.from('PK\x03\x04\0\0\x08\x08', 'latin1'), 2 ** 40, /got a zip archive, as torch\.save writes it/],
    [Buffer.from('\x80\x02\x8a\nl\xfc\x9cF', 'latin1'), 2 ** 40, /got a pickle, as torch\.save wrote it/],
    [Buffer.from('\x08\x08\x12\x07timer', 'latin1').subarray(0, 8), 2 ** 40, /got what looks like an ONNX file/],
    [Buffer.from('Call me '), 2 ** 40, /Expected a safetensors file, got one that starts with "Call me "$/],
  ];
  for (const [bytes, size, message] of cases) {
    t.throws(() => parseHeaderLength('x', bytes, size), { ...isFormat, message });
  }
});

const hostile: [string, string | Uint8Array, number, RegExp][] = [
  ['empty', '', 0, /starts with "\{", got an empty one/],
  ['an array', '[]', 0, /starts with "\{"/],
  ['leading space', ' {}', 0, /starts with "\{", got byte 32/],
  ['not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 0, /bytes that are not UTF-8/],
  ['cut JSON', '{"a":', 0, /got an error: expected a JSON value at offset 5, got the end/],
  ['something after it', '{}x', 0, /expected the end/],
  ['duplicate names', `{"a":${tensor(0, 4)},"a":${tensor(0, 4)}}`, 4, /"a" again/],
  ['duplicate metadata', '{"__metadata__":{},"__metadata__":{}}', 0, /again/],
  ['metadata as text', '{"__metadata__":"x"}', 0, /__metadata__ to be an object/],
  ['metadata as array', '{"__metadata__":[]}', 0, /__metadata__ to be an object/],
  ['a number in the metadata', '{"__metadata__":{"a":1}}', 0, /"a" to be a string, got 1/],
  ['null for a tensor', '{"a":null}', 0, /tensor "a" to be described by an object, got null/],
  ['an unknown dtype', `{"a":${tensor(0, 1, [1], 'F8_E4M3')}}`, 1, /dtype of tensor "a" .* got "F8_E4M3"/],
  ['a dtype from the prototype', `{"a":${tensor(0, 4, [1], 'constructor')}}`, 4, /dtype/],
  ['no dtype', '{"a":{"shape":[],"data_offsets":[0,4]}}', 4, /dtype .* got undefined/],
  ['no shape', '{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4, /shape/],
  ['no offsets', '{"a":{"dtype":"F32","shape":[1]}}', 4, /data_offsets/],
  ['a negative dimension', `{"a":${tensor(0, 4, [-1, -1])}}`, 4, /non-negative integers, got \[-1, -1\]/],
  ['a broken dimension', `{"a":${tensor(0, 4, [0.5, 2])}}`, 4, /non-negative integers/],
  ['a dimension as text', `{"a":${tensor(0, 4, ['1'])}}`, 4, /non-negative integers/],
  ['a product past 2⁵³', `{"a":${tensor(0, 4, [2 ** 40, 2 ** 40])}}`, 4, /non-negative integers/],
  ['an overflow that ends in 0', `{"a":${tensor(0, 0, [2 ** 40, 2 ** 40, 0])}}`, 0, /non-negative integers/],
  ['infinite', '{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', 4, /non-negative integers/],
  ['offsets that do not fit the shape', `{"a":${tensor(0, 8)}}`, 8, /shape \[1\] to take 4 bytes, got .* 8 bytes/],
  ['offsets backwards', `{"a":${tensor(4, 0)}}`, 4, /begin ≤ end/],
  ['negative offsets', `{"a":${tensor(-4, 0)}}`, 4, /begin ≤ end/],
  ['broken offsets', `{"a":${tensor(0.5, 4.5)}}`, 8, /begin ≤ end/],
  ['three offsets', '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}', 4, /begin ≤ end/],
  ['past the end', `{"a":${tensor(0, 400, [100])}}`, 4, /within 4 bytes of data, got an end at 400/],
  ['an overlap', `{"a":${tensor(0, 8, [2])},"b":${tensor(4, 8)}}`, 8, /"b" to begin at 8, got an overlap/],
  ['the same bytes twice', `{"a":${tensor(0, 4)},"b":${tensor(0, 4)}}`, 4, /an overlap/],
  ['a gap', `{"a":${tensor(0, 4)},"b":${tensor(8, 12)}}`, 12, /"b" to begin at 4, got a gap/],
  ['a gap at the start', `{"a":${tensor(4, 8)}}`, 8, /to begin at 0, got a gap/],
  ['bytes left over', `{"a":${tensor(0, 4)}}`, 5, /cover all 5 bytes of data, got 4/],
  ['data without tensors', '{}', 1, /cover all 1 bytes/],
];
for (const [name, json, dataSize, message] of hostile) {
  test(`hostile header: ${name}`, (t) => {
    const error = t.throws(() => parse(json, dataSize), { ...isFormat, message });
    t.regex(error?.message ?? '', /^x\.safetensors: Expected /);
  });
}

test('fuzz: headers that are nearly right are read or refused, never worse', (t) => {
  const number = fc.oneof(fc.nat(16), fc.constantFrom(-1, 0.5, 2 ** 53, 1e300), fc.string());
  const described = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom('F32', 'U8', 'I64', 'F16', '__proto__'), fc.jsonValue()),
      shape: fc.oneof(fc.array(number, { maxLength: 3 }), fc.jsonValue()),
      data_offsets: fc.oneof(fc.array(number, { minLength: 2, maxLength: 2 }), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const header = fc.dictionary(fc.constantFrom('a', 'b', '__metadata__'), fc.oneof(described, fc.jsonValue()));
  fc.assert(
    fc.property(header, fc.nat(32), (value, dataSize) => {
      try {
        const { tensors } = parse(JSON.stringify(value), dataSize);
        t.is(
          tensors.reduce((sum, { begin, end }) => sum + end - begin, 0),
          dataSize,
        );
      } catch (error) {
        if (!(error instanceof TimeRNNError && error.code === 'ERR_TIMERNN_FORMAT')) throw error;
      }
    }),
    { numRuns: 3000 },
  );
  t.pass(); // fc.assert above throws where the property fails
});
