import test from 'ava';
import fc from 'fast-check';
import { parseStrictJson, type StrictJson } from '#src/checkpoint/strict-json.js';

function plain(value: StrictJson): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, inner]) => [name, plain(inner)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test('property: reads what JSON.stringify writes', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), fc.constantFrom(0, 1, '\t'), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      t.is(JSON.stringify(plain(parseStrictJson(text))), JSON.stringify(JSON.parse(text)));
    }),
  );
});

test('property: any text is read as JSON.parse reads it, or refused', (t) => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"b"',
    '"\\u00e4"',
    '"\\x"',
    '1',
    '-',
    '0',
    '.5',
    'e9',
    'null',
    'true',
    ' ',
    '"',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      let expected: unknown;
      let got: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expected = SyntaxError;
      }
      try {
        got = plain(parseStrictJson(text));
      } catch (error) {
        t.true(error instanceof SyntaxError);
        if (/every name once/.test(String(error))) return;
        got = SyntaxError;
      }
      t.deepEqual(got, expected, text);
    }),
    { numRuns: 3000 },
  );
});

test('objects are Maps: no prototype, and no name twice', (t) => {
  const value = parseStrictJson('{"__proto__": {"x": 1}, "constructor": 2}') as Map<string, StrictJson>;
  t.deepEqual([...value.keys()], ['__proto__', 'constructor']);
  for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":{"b":1,"c":2,"b":3}}']) {
    t.throws(() => parseStrictJson(text), { instanceOf: SyntaxError, message: /every name once/ });
  }
});

test('deep nesting and endless strings are refused, not crashed on', (t) => {
  t.throws(() => parseStrictJson('['.repeat(1_000_000)), { instanceOf: SyntaxError, message: /at most 16 levels/ });
  t.throws(() => parseStrictJson('{"a":'.repeat(1_000_000)), { instanceOf: SyntaxError });
  t.throws(() => parseStrictJson(`"${'\\'.repeat(1_000_001)}`), { instanceOf: SyntaxError, message: /to end/ });
  t.is((parseStrictJson(`"${'ab'.repeat(1_000_000)}"`) as string).length, 2_000_000);
});
