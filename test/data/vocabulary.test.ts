import test from 'ava';
import fc from 'fast-check';
import { TimeRNNError, Vocabulary } from 'timernn';

const tokensOf = (vocabulary: Vocabulary) => Array.from({ length: vocabulary.size }, (_, id) => vocabulary.token(id));
const isCode = (code: string) => ({ instanceOf: TimeRNNError, code });

test('characters: <unk> first, then by code point, one token a code point', (t) => {
  const vocabulary = Vocabulary.fromText('b🐋a\né', { unit: 'char' });
  t.deepEqual(tokensOf(vocabulary), ['<unk>', '\n', 'a', 'b', 'é', '🐋']);
  t.is(vocabulary.unknownId, 0);
  t.is(vocabulary.lineEndId, 1);
  t.deepEqual([...vocabulary.encode('🐋 a')], [5, 0, 2]);
  t.is(vocabulary.decode([5, 2, 1]), '🐋a\n');
  t.is(Vocabulary.fromText('ab', { unit: 'char' }).lineEndId, undefined);
});

test('characters: a limit keeps the most frequent, still by code point', (t) => {
  const vocabulary = Vocabulary.fromText('zzzaabbbc', { unit: 'char', vocabularySize: 3 });
  t.deepEqual(tokensOf(vocabulary), ['<unk>', 'b', 'z']);
  t.deepEqual([...vocabulary.encode('abc z')], [0, 1, 0, 0, 2]);
});

test('characters: the literal text <unk> is five characters', (t) => {
  const vocabulary = Vocabulary.fromText('<unk>', { unit: 'char' });
  t.is(vocabulary.size, 6);
  t.is(vocabulary.encode('<unk>').length, 5);
  t.false(vocabulary.encode('<unk>').includes(0));
});

test('words: <unk>, <eos>, then by frequency, ties by first appearance', (t) => {
  const vocabulary = Vocabulary.fromText('d c b\nb c a a a', { unit: 'word' });
  t.deepEqual(tokensOf(vocabulary), ['<unk>', '<eos>', 'a', 'c', 'b', 'd']);
  t.is(vocabulary.unknownId, 0);
  t.is(vocabulary.lineEndId, 1);
});

test('words: vocabularySize counts <unk> and <eos>; the rest becomes <unk>', (t) => {
  const vocabulary = Vocabulary.fromText('a a a b b c', { unit: 'word', vocabularySize: 4 });
  t.deepEqual(tokensOf(vocabulary), ['<unk>', '<eos>', 'a', 'b']);
  t.deepEqual([...vocabulary.encode('c b a')], [0, 3, 2]);
  t.is(Vocabulary.fromText('a b', { unit: 'word', vocabularySize: 2 }).size, 2);
  t.is(Vocabulary.fromText('a b', { unit: 'word', vocabularySize: 99 }).size, 4);
});

test('words: literal <unk> and <eos> in the text have those ids', (t) => {
  for (const separatePunctuation of [false, true]) {
    const vocabulary = Vocabulary.fromText('<unk> x <eos> <unk>', { unit: 'word', separatePunctuation });
    t.deepEqual(tokensOf(vocabulary), ['<unk>', '<eos>', 'x']);
    t.deepEqual([...vocabulary.encode('x <unk> <eos> x')], [2, 0, 1, 2]);
  }
});

test('words: any white space separates, only \\n ends a line, a blank line is one <eos>, a prompt stays open', (t) => {
  const vocabulary = Vocabulary.fromText('a b', { unit: 'word' });
  const [a, b, eos] = [2, 3, 1];
  t.deepEqual([...vocabulary.encode(' a\t\u00a0b\u3000\u2028a\r\n\n  b')], [a, b, a, eos, eos, b]);
  t.deepEqual([...vocabulary.encode('a\n')], [a, eos]);
  t.is(vocabulary.encode('').length, 0);
  t.is(vocabulary.decode([a, b, eos, eos, b, a, eos]), 'a b\n\nb a\n');
});

test('words: white space is what \\s matches, for every UTF-16 unit', (t) => {
  const vocabulary = Vocabulary.fromTokens(['<unk>', '<eos>'], { unit: 'word' });
  const wrong: number[] = [];
  for (let unit = 0; unit < 0x10000; unit++) {
    if (unit === 10) continue;
    const character = String.fromCharCode(unit);
    if (vocabulary.encode(`x${character}x`).length !== (/\s/.test(character) ? 2 : 1)) wrong.push(unit);
  }
  t.deepEqual(wrong, []);
});

test('lowercase and separatePunctuation are Unicode-aware and kept by the vocabulary', (t) => {
  const options = { unit: 'word', lowercase: true, separatePunctuation: true } as const;
  const vocabulary = Vocabulary.fromText('«Größe», DON’T!? 3,000.5 a-b. e\u0301t\u0301’a €5', options);
  const words = '« größe » , don’t ! ? 3,000.5 a - b . e\u0301t\u0301’a € 5'.split(' ');
  t.deepEqual(new Set(tokensOf(vocabulary)), new Set(['<unk>', '<eos>', ...words]));
  t.is(vocabulary.decode(vocabulary.encode('DON’T!')), 'don’t !');
  t.deepEqual(tokensOf(Vocabulary.fromText('Don’t!', { unit: 'word' })), ['<unk>', '<eos>', 'Don’t!']);
  t.is(Vocabulary.fromText('aA', { unit: 'char', lowercase: true }).size, 2);
});

test('lone surrogates become U+FFFD, in vocabularies and in what they encode', (t) => {
  const characters = Vocabulary.fromText('a\ud83d', { unit: 'char' });
  t.deepEqual(tokensOf(characters), ['<unk>', 'a', '\ufffd']);
  t.deepEqual([...characters.encode('\udc00a\ud800\ud800')], [2, 1, 2, 2]);
  t.deepEqual(tokensOf(Vocabulary.fromText('\udc00x', { unit: 'word' })), ['<unk>', '<eos>', '\ufffdx']);
});

test('property: characters survive encode and decode', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const vocabulary = Vocabulary.fromText(text, { unit: 'char' });
      return vocabulary.decode(vocabulary.encode(text)) === text && vocabulary.encode(text).length === [...text].length;
    }),
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('property: words are those of split, line by line', (t) => {
  const piece = fc.constantFrom('a', 'bb', "c'", ' ', '\n', '\t', '\r\n', 'ä', '🐋', '<unk>', '<eos>', 'toString');
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('');
      const vocabulary = Vocabulary.fromText(text, { unit: 'word' });
      const expected = text.split('\n').flatMap((line, i) => [...(i ? ['<eos>'] : []), ...(line.match(/\S+/g) ?? [])]);
      t.deepEqual(
        [...vocabulary.encode(text)].map((id) => vocabulary.token(id)),
        expected,
      );
    }),
  );
});

test("'token': bare integers, no text", (t) => {
  const vocabulary = Vocabulary.ofSize(3);
  t.is(vocabulary.size, 3);
  t.is(vocabulary.unknownId, undefined);
  t.is(vocabulary.lineEndId, undefined);
  t.is(vocabulary.decode([2, 0]), '2 0');
  t.throws(() => vocabulary.encode('2 0'), isCode('ERR_TIMERNN_VOCABULARY'));
  t.throws(() => Vocabulary.ofSize(0), { ...isCode('ERR_TIMERNN_OPTION'), message: /got 0/ });
});

test('ids outside the vocabulary are errors', (t) => {
  const vocabulary = Vocabulary.fromText('ab', { unit: 'char' });
  for (const id of [-1, 3, 0.5, Number.NaN, '1' as unknown as number]) {
    t.throws(() => vocabulary.token(id), isCode('ERR_TIMERNN_TOKEN'));
    t.throws(() => vocabulary.decode([1, id]), isCode('ERR_TIMERNN_TOKEN'));
  }
});

test('JSON and back: same ids, same hash; the hash tells vocabularies apart', (t) => {
  const vocabularies = [
    Vocabulary.fromText('a b\n', { unit: 'char' }),
    Vocabulary.fromText('a c\n', { unit: 'char' }),
    Vocabulary.fromText('a b', { unit: 'word' }),
    Vocabulary.fromText('b a', { unit: 'word' }),
    Vocabulary.fromText('a b', { unit: 'word', lowercase: true }),
    Vocabulary.fromText('a b', { unit: 'word', separatePunctuation: true }),
    Vocabulary.ofSize(4),
    Vocabulary.ofSize(5),
  ];
  for (const vocabulary of vocabularies) {
    const copy = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
    t.deepEqual(copy.toJSON(), vocabulary.toJSON());
    t.is(copy.hash, vocabulary.hash);
    t.regex(vocabulary.hash, /^[0-9a-f]{64}$/);
  }
  t.is(new Set(vocabularies.map(({ hash }) => hash)).size, vocabularies.length);
});

test('a vocabulary does not change with what it was made from or gave out', (t) => {
  const tokens = ['<unk>', 'a', 'b'];
  const vocabulary = Vocabulary.fromTokens(tokens, { unit: 'char' });
  tokens[1] = 'x';
  (vocabulary.toJSON() as { tokens: string[] }).tokens[2] = 'y';
  t.deepEqual(tokensOf(vocabulary), ['<unk>', 'a', 'b']);
});

test('tokens named like parts of Object.prototype are ordinary tokens', (t) => {
  const text = '__proto__ constructor toString hasOwnProperty __proto__';
  const vocabulary = Vocabulary.fromText(text, { unit: 'word' });
  t.deepEqual(tokensOf(vocabulary).slice(2), ['__proto__', 'constructor', 'toString', 'hasOwnProperty']);
  const copy = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
  t.is(copy.decode(copy.encode(text)), text);
  t.deepEqual([...copy.encode('valueOf __defineGetter__')], [0, 0]);
});

test('<unk> and <eos> may stand anywhere in a list of tokens', (t) => {
  const vocabulary = Vocabulary.fromTokens(['the', '<eos>', '<unk>'], { unit: 'word' });
  t.is(vocabulary.unknownId, 2);
  t.is(vocabulary.lineEndId, 1);
  t.deepEqual([...vocabulary.encode('the whale\n')], [0, 2, 1]);
});

const hostile: [string, unknown, RegExp][] = [
  ['null', null, /to be an object, got null/],
  ['an array', [], /to be an object, got an array/],
  ['a string', 'char', /to be an object/],
  ['no unit', { tokens: ['<unk>'] }, /unit to be .* got undefined/],
  ['another unit', { unit: 'byte', tokens: ['<unk>'] }, /got "byte"/],
  ['a unit as array', { unit: ['char'], tokens: ['<unk>'] }, /unit to be/],
  ['tokens as object', { unit: 'char', tokens: { 0: '<unk>', length: 1 } }, /tokens to be an array/],
  ['no tokens', { unit: 'word' }, /tokens to be an array, got undefined/],
  ['an empty list', { unit: 'char', tokens: [] }, /to have the token <unk>/],
  ['no <unk>', { unit: 'char', tokens: ['a', 'b'] }, /to have the token <unk>, got 2 others/],
  ['no <eos>', { unit: 'word', tokens: ['<unk>', 'a'] }, /to have the token <eos>/],
  ['a number among the tokens', { unit: 'char', tokens: ['<unk>', 1] }, /token 1 of the vocabulary .* got 1/],
  [
    'a hole among the tokens',
    { unit: 'char', tokens: Object.assign(['<unk>'], { 2: 'a' }) },
    /token 1 .* got undefined/,
  ],
  ['an object with toString', { unit: 'char', tokens: ['<unk>', { toString: () => 'a' }] }, /to be a string/],
  ['duplicates', { unit: 'char', tokens: ['<unk>', 'a', 'b', 'a'] }, /to be different, got "a" as 1 and 3/],
  ['two characters', { unit: 'char', tokens: ['<unk>', 'ab'] }, /token 1 .* one character, got "ab"/],
  ['an empty character', { unit: 'char', tokens: ['<unk>', ''] }, /one character, got ""/],
  ['a lone surrogate', { unit: 'char', tokens: ['<unk>', '\ud800'] }, /well-formed/],
  ['an empty word', { unit: 'word', tokens: ['<unk>', '<eos>', ''] }, /a word without white space/],
  ['a word with a space', { unit: 'word', tokens: ['<unk>', '<eos>', 'a b'] }, /got "a b"/],
  ['lowercase as a string', { unit: 'char', lowercase: 'no', tokens: ['<unk>'] }, /lowercase to be a boolean/],
  ['separated characters', { unit: 'char', separatePunctuation: true, tokens: ['<unk>'] }, /separatePunctuation/],
  ['no size', { unit: 'token' }, /size to be a positive integer, got undefined/],
  ['size NaN', { unit: 'token', size: Number.NaN }, /got NaN/],
  ['a huge size', { unit: 'token', size: 2 ** 40 }, /positive integer/],
];
for (const [name, value, message] of hostile) {
  test(`hostile JSON: ${name}`, (t) => {
    t.throws(() => Vocabulary.fromJSON(value), { ...isCode('ERR_TIMERNN_VOCABULARY'), message });
  });
}

test('property: any JSON value is a vocabulary or a TimeRNNError', (t) => {
  const token = fc.oneof(fc.constantFrom('<unk>', '<eos>', 'a', 'b'), fc.string({ unit: 'binary' }), fc.jsonValue());
  const near = fc.record(
    {
      unit: fc.constantFrom('char', 'word', 'token', 'x'),
      size: fc.jsonValue(),
      lowercase: fc.oneof(fc.boolean(), fc.jsonValue()),
      tokens: fc.array(token),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near), (value) => {
      try {
        Vocabulary.fromJSON(value).hash.toString();
      } catch (error) {
        if (!(error instanceof TimeRNNError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('bad options name the option', (t) => {
  const bad: [unknown, RegExp][] = [
    [undefined, /options/],
    [{}, /unit to be 'char' or 'word', got undefined/],
    [{ unit: 'token' }, /unit/],
    [{ unit: 'char', lowercase: 1 }, /lowercase to be a boolean, got 1/],
    [{ unit: 'char', separatePunctuation: true }, /separatePunctuation/],
    [{ unit: 'word', vocabularySize: 1 }, /vocabularySize .* at least 2, got 1/],
    [{ unit: 'word', vocabularySize: 2.5 }, /vocabularySize/],
    [{ unit: 'word', vocabularySize: Number.NaN }, /vocabularySize/],
  ];
  for (const [options, message] of bad) {
    t.throws(() => Vocabulary.fromText('a', options as never), { ...isCode('ERR_TIMERNN_OPTION'), message });
  }
  t.throws(() => Vocabulary.fromText(Buffer.from('a') as never, { unit: 'char' }), isCode('ERR_TIMERNN_OPTION'));
  const vocabulary = Vocabulary.fromText('a', { unit: 'char' });
  t.throws(() => vocabulary.encode(undefined as never), isCode('ERR_TIMERNN_OPTION'));
});
