import { types } from 'node:util';
import test from 'ava';
import { Corpus, TimeRNNError, Vocabulary } from 'timernn';

const isCode = (code: string) => ({ instanceOf: TimeRNNError, code });

test('fromText: ids in shared memory, in order', (t) => {
  const corpus = Corpus.fromText('abba', { unit: 'char' });
  t.deepEqual([...corpus.tokens], [1, 2, 2, 1]);
  t.is(corpus.length, 4);
  t.true(types.isSharedArrayBuffer(corpus.tokens.buffer));
});

test('nothing else can take the place of the tokens, which threads read', (t) => {
  const corpus = Corpus.fromText('abba', { unit: 'char' });
  t.throws(() => Object.assign(corpus, { tokens: new Uint32Array(4) }), { instanceOf: TypeError });
  t.is(corpus.length, 4);
});

test('fromText: every line of words ends in <eos>, an open last one too, and none follows a final newline', (t) => {
  const words = (text: string) => {
    const { tokens, vocabulary } = Corpus.fromText(text, { unit: 'word' });
    return [...tokens].map((id) => vocabulary.token(id)).join(' ');
  };
  t.is(words('a b\nc\n'), 'a b <eos> c <eos>');
  t.is(words('a b\nc'), 'a b <eos> c <eos>');
  t.is(words('a\n\nb'), 'a <eos> <eos> b <eos>');
  t.is(words('\n'), '<eos>');
  t.is(words(' '), '<eos>');
});

test('fromText with a vocabulary: unknown becomes <unk>, and its options are used', (t) => {
  const vocabulary = Vocabulary.fromText('the whale', { unit: 'word', lowercase: true });
  const corpus = Corpus.fromText('The WHALE swims', { vocabulary });
  t.deepEqual([...corpus.tokens], [2, 3, 0, 1]);
  t.is(corpus.vocabulary, vocabulary);
  t.deepEqual([...Corpus.fromText('the', { vocabulary, unit: 'word', lowercase: true }).tokens], [2, 1]);
});

test('fromText: options that contradict the vocabulary are errors that name the option', (t) => {
  const vocabulary = Vocabulary.fromText('a', { unit: 'char' });
  for (const [name, value] of [
    ['unit', 'word'],
    ['lowercase', true],
    ['vocabularySize', 3],
    ['vocabulary', {}],
  ]) {
    const options = { vocabulary, [name as string]: value } as never;
    t.throws(() => Corpus.fromText('a', options), {
      ...isCode('ERR_TIMERNN_OPTION'),
      message: RegExp(`Expected ${name}`),
    });
  }
  t.throws(() => Corpus.fromText('a', { vocabulary: Vocabulary.ofSize(2) }), isCode('ERR_TIMERNN_VOCABULARY'));
});

test('fromText: no text, no corpus', (t) => {
  t.throws(() => Corpus.fromText('', { unit: 'char' }), isCode('ERR_TIMERNN_CORPUS'));
  t.throws(() => Corpus.fromText('', { unit: 'word' }), isCode('ERR_TIMERNN_CORPUS'));
  t.throws(() => Corpus.fromText(null as never, { unit: 'word' }), {
    ...isCode('ERR_TIMERNN_OPTION'),
    message: /null/,
  });
  t.throws(() => Corpus.fromText('a', undefined as never), isCode('ERR_TIMERNN_OPTION'));
  t.throws(() => Corpus.fromText('a', {}), { ...isCode('ERR_TIMERNN_OPTION'), message: /unit/ });
});

test('fromTokens: copies private memory, takes shared memory as it is', (t) => {
  const own = Uint32Array.of(2, 0, 1);
  const copied = Corpus.fromTokens(own, { vocabularySize: 3 });
  own[0] = 1;
  t.deepEqual([...copied.tokens], [2, 0, 1]);
  t.true(types.isSharedArrayBuffer(copied.tokens.buffer));
  const shared = new Uint32Array(new SharedArrayBuffer(16), 4, 2);
  t.is(Corpus.fromTokens(shared, { vocabularySize: 1 }).tokens, shared);
  t.is(copied.vocabulary.unit, 'token');
  t.is(copied.vocabulary.size, 3);
});

test('fromTokens: an id out of range is named with its position', (t) => {
  t.throws(() => Corpus.fromTokens(Uint32Array.of(0, 1, 7, 2, 9), { vocabularySize: 3 }), {
    ...isCode('ERR_TIMERNN_TOKEN'),
    message: 'Expected token 2 to be below the vocabulary size 3, got 7',
  });
  t.throws(() => Corpus.fromTokens(Uint32Array.of(-1), { vocabularySize: 3 }), isCode('ERR_TIMERNN_TOKEN'));
});

test('fromTokens: a Uint32Array or a plain array with something in it; other arrays get a hint', (t) => {
  const wrong = [Float32Array.of(0, Number.NaN), Int32Array.of(0), Buffer.from([0])];
  for (const tokens of wrong) {
    t.throws(() => Corpus.fromTokens(tokens as never, { vocabularySize: 3 }), {
      ...isCode('ERR_TIMERNN_OPTION'),
      message: /Expected tokens to be a Uint32Array or an array of integers, got .*; use Uint32Array\.from\(ids\)$/,
    });
  }
  for (const tokens of [undefined, '01', { length: 1 }]) {
    t.throws(() => Corpus.fromTokens(tokens as never, { vocabularySize: 3 }), {
      ...isCode('ERR_TIMERNN_OPTION'),
      message: /Expected tokens to be a Uint32Array or an array of integers, got [^;]*$/,
    });
  }
  for (const none of [new Uint32Array(0), []]) {
    t.throws(() => Corpus.fromTokens(none, { vocabularySize: 3 }), isCode('ERR_TIMERNN_CORPUS'));
  }
});

test('fromTokens: plain arrays of integers are copied; what is no id in them is named', (t) => {
  const corpus = Corpus.fromTokens([2, 0, 1], { vocabularySize: 3 });
  t.deepEqual([...corpus.tokens], [2, 0, 1]);
  t.true(types.isSharedArrayBuffer(corpus.tokens.buffer));
  for (const bad of [-1, 1.5, 2 ** 32, Number.NaN, '1', undefined]) {
    t.throws(() => Corpus.fromTokens([0, bad as number], { vocabularySize: 3 }), {
      ...isCode('ERR_TIMERNN_TOKEN'),
      message: /Expected token 1 to be an integer of at least 0 and below 2³², got /,
    });
  }
  t.throws(() => Corpus.fromTokens([0, 3], { vocabularySize: 3 }), {
    ...isCode('ERR_TIMERNN_TOKEN'),
    message: 'Expected token 1 to be below the vocabulary size 3, got 3',
  });
});

test('options that do not exist are errors, whatever makes or cuts a corpus', async (t) => {
  const corpus = Corpus.fromText('abcdefghij', { unit: 'char' });
  const calls: [where: string, call: () => unknown][] = [
    ['Corpus.fromText', () => Corpus.fromText('a', { unit: 'char', lowerCase: true } as never)],
    ['Corpus.fromText', () => Corpus.fromText('a', { unit: 'char', signal: undefined } as never)],
    ['Corpus.fromTokens', () => Corpus.fromTokens([0], { vocabularySize: 1, unit: 'char' } as never)],
    ['split', () => corpus.split({ heldOut: 0.2, seed: 1 } as never)],
    ['Vocabulary.fromText', () => Vocabulary.fromText('a', { unit: 'char', size: 3 } as never)],
    ['Vocabulary.fromTokens', () => Vocabulary.fromTokens(['<unk>'], { unit: 'char', vocabularySize: 3 } as never)],
  ];
  for (const [where, call] of calls) {
    t.throws(call, {
      ...isCode('ERR_TIMERNN_OPTION'),
      message: RegExp(`^Expected the options of ${where} to be among`),
    });
  }
  await t.throwsAsync(Corpus.fromFile('x.txt', { unit: 'char', size: 3 } as never), {
    ...isCode('ERR_TIMERNN_OPTION'),
    message: /^Expected the options of Corpus\.fromFile to be among .*signal, got "size"$/,
  });
  t.throws(() => corpus.split(0.1 as never), {
    ...isCode('ERR_TIMERNN_OPTION'),
    message: 'Expected the options of split to be an object, got 0.1',
  });
});

test('a corpus and a vocabulary are made by their static functions alone', (t) => {
  for (const Class of [Corpus, Vocabulary]) {
    const make = () => Reflect.construct(Class, ['abc', {}]);
    t.throws(make, { ...isCode('ERR_TIMERNN_OPTION'), message: /to be made by .*fromText.*, got new / });
  }
});

test('fromTokens: vocabulary and vocabularySize', (t) => {
  const vocabulary = Vocabulary.fromText('ab', { unit: 'char' });
  t.is(Corpus.fromTokens(Uint32Array.of(2), { vocabulary }).vocabulary, vocabulary);
  t.is(Corpus.fromTokens(Uint32Array.of(2), { vocabulary, vocabularySize: 3 }).vocabulary, vocabulary);
  t.throws(() => Corpus.fromTokens(Uint32Array.of(3), { vocabulary }), isCode('ERR_TIMERNN_TOKEN'));
  const bad = [{ vocabulary, vocabularySize: 4 }, { vocabularySize: 0 }, {}, undefined, { vocabulary: 'ab' }];
  for (const options of bad) {
    t.throws(() => Corpus.fromTokens(Uint32Array.of(0), options as never), isCode('ERR_TIMERNN_OPTION'));
  }
});

test('split: the beginning and the end, as views of the same memory', (t) => {
  const corpus = Corpus.fromTokens(
    Uint32Array.from({ length: 1000 }, (_, i) => i),
    { vocabularySize: 1000 },
  );
  const { train, heldOut } = corpus.split({ heldOut: 0.1 });
  t.is(train.length, 900);
  t.is(heldOut.length, 100);
  t.deepEqual([train.tokens[0], train.tokens[899], heldOut.tokens[0], heldOut.tokens[99]], [0, 899, 900, 999]);
  t.is(train.tokens.buffer, corpus.tokens.buffer);
  t.is(heldOut.tokens.buffer, corpus.tokens.buffer);
  t.is(heldOut.vocabulary, corpus.vocabulary);
  const again = heldOut.split({ heldOut: 0.5 });
  t.is(again.heldOut.tokens[0], 950);
  for (const [share, expected] of [
    [0.9, 900],
    [0.2, 200],
    [0.0021, 2],
    [0.998, 998],
  ] as const) {
    t.is(corpus.split({ heldOut: share }).heldOut.length, expected);
  }
});

test('split: shares out of range, and sides too short', (t) => {
  const corpus = Corpus.fromText('abcdefghij', { unit: 'char' });
  for (const heldOut of [0, 1, -0.1, 2, Number.NaN, '0.1', undefined]) {
    t.throws(() => corpus.split({ heldOut } as never), { ...isCode('ERR_TIMERNN_OPTION'), message: /heldOut/ });
  }
  t.throws(() => corpus.split(undefined as never), isCode('ERR_TIMERNN_OPTION'));
  for (const heldOut of [0.1, 0.9, 1e-9]) t.throws(() => corpus.split({ heldOut }), isCode('ERR_TIMERNN_CORPUS'));
  t.is(corpus.split({ heldOut: 0.2 }).heldOut.length, 2);
});
