/** log P(text | context) by the chain rule, against a double-precision reference. */
import test from 'ava';
import { Corpus, LanguageModel, type LogProbabilityOptions, Vocabulary } from 'timernn';
import { untyped } from '../helpers/refused.js';
import { charCorpus, doubles, isCode, newModel, randomText, referenceLoss, train } from './helpers/models.js';

/** Measured: below 1e-8. */
const TOLERANCE = 1e-6;

const corpus = charCorpus(6000);
const trained = (async () => {
  const model = newModel(corpus, { sizes: [16, 11] });
  await train(model, corpus, { streams: 4, window: 8, workers: 2, learningRate: 0.5, reportEvery: 100 }, () => true);
  return model;
})();

/** Σ log P over the tokens after the lead-in: the loss over all of them less that over the lead-in itself. */
async function reference(model: LanguageModel, before: ArrayLike<number>, scored: ArrayLike<number>): Promise<number> {
  const tensors = await doubles(model);
  const all = [...Array.from(before), ...Array.from(scored)];
  return referenceLoss(model, tensors, all, 0, before.length - 1) - referenceLoss(model, tensors, all);
}

const near = (got: number, want: number) => Math.abs(got - want) <= TOLERANCE * Math.abs(want);

test('with a context, and with the line end in its place', async (t) => {
  const model = await trained;
  const { vocabulary } = model;
  for (const [text, context] of [
    ['the whale', undefined],
    ['t', undefined],
    ['whale and sea', 'the old '],
    ['\n', 'the'],
    ['xyz is unknown', 'Q'],
    ['a', 'a long context\nof two lines '],
  ] as const) {
    const before = context === undefined ? [vocabulary.lineEndId!] : vocabulary.encode(context);
    const got = await model.logProbability(text, context === undefined ? {} : { context });
    const want = await reference(model, before, vocabulary.encode(text));
    t.true(near(got, want), `${JSON.stringify(text)} after ${JSON.stringify(context)}: ${got} against ${want}`);
    t.true(got < 0);
  }
});

test('chain rule: log P(ab | c) = log P(a | c) + log P(b | ca)', async (t) => {
  const model = await trained;
  const whole = await model.logProbability('whale and sea', { context: 'the ' });
  const first = await model.logProbability('whale', { context: 'the ' });
  const second = await model.logProbability(' and sea', { context: 'the whale' });
  t.true(near(first + second, whole), `${first} + ${second} against ${whole}`);
});

test('all next characters together have probability 1', async (t) => {
  const model = await trained;
  const { vocabulary } = model;
  let total = 0;
  for (let id = 0; id < vocabulary.size; id++) {
    // A character that the vocabulary lacks stands for <unk>.
    const text = id === vocabulary.unknownId ? '\u{1F40B}' : vocabulary.token(id);
    total += Math.exp(await model.logProbability(text, { context: 'the wha' }));
  }
  t.true(Math.abs(total - 1) < 1e-5, `${total}`);
});

test('texts and contexts longer than one trip', async (t) => {
  const model = await trained;
  const { vocabulary } = model;
  // Trips are 1024 tokens: shorter by one, equal, longer by one, several.
  for (const length of [1023, 1024, 1025, 2048, 3000]) {
    const text = randomText(length, 5).slice(0, length);
    const want = await reference(model, [vocabulary.lineEndId!], vocabulary.encode(text));
    const got = await model.logProbability(text);
    t.true(near(got, want), `${length} tokens: ${got} against ${want}`);
    const after = await model.logProbability('whale', { context: text });
    const wanted = await reference(model, vocabulary.encode(text), vocabulary.encode('whale'));
    t.true(near(after, wanted), `context of ${length} tokens: ${after} against ${wanted}`);
  }
});

test('words: the text does not end its line, and unknown words count as <unk>', async (t) => {
  const words = Corpus.fromText(randomText(2000), { unit: 'word', vocabularySize: 14 });
  const model = newModel(words);
  const { vocabulary } = model;
  const { lineEndId: end, unknownId: unknown } = vocabulary;
  const ids = (...tokens: string[]) => tokens.map((token) => vocabulary.encode(token)[0]!);
  const got = await model.logProbability('the whale harpooneer\nsea', { context: 'a of' });
  const want = await reference(model, ids('a', 'of'), [...ids('the', 'whale'), unknown!, end!, ...ids('sea')]);
  t.true(near(got, want), `${got} against ${want}`);
  t.true(near(await model.logProbability('the'), await reference(model, [end!], ids('the'))));
});

test('the empty text is certain', async (t) => {
  const model = await trained;
  t.is(await model.logProbability(''), 0);
  t.is(await model.logProbability('', { context: 'the whale' }), 0);
});

test('an empty context is no context', async (t) => {
  const model = await trained;
  t.is(await model.logProbability('the', { context: '' }), await model.logProbability('the'));
});

test('many at once, and again', async (t) => {
  const model = await trained;
  const all = await Promise.all(Array.from({ length: 12 }, () => model.logProbability('the whale and the sea')));
  t.is(new Set(all).size, 1);
});

test('a signal ends it with its reason', async (t) => {
  const model = await trained;
  const reason = new Error('the reason');
  t.is(await t.throwsAsync(model.logProbability('the', { signal: AbortSignal.abort(reason) })), reason);
  const controller = new AbortController();
  const running = model.logProbability(randomText(50_000), { signal: controller.signal });
  controller.abort(reason);
  t.is(await t.throwsAsync(running), reason);
});

test('bad options', async (t) => {
  const model = await trained;
  const ask = (text: unknown, options?: unknown) =>
    model.logProbability(untyped(text), options as LogProbabilityOptions);
  await t.throwsAsync(ask(7), isCode('ERR_TIMERNN_OPTION', /^Expected text to be a string, got 7$/));
  await t.throwsAsync(ask(undefined), isCode('ERR_TIMERNN_OPTION', /^Expected text/));
  await t.throwsAsync(
    ask('a', { context: 7 }),
    isCode('ERR_TIMERNN_OPTION', /^Expected context to be a string, got 7$/),
  );
  await t.throwsAsync(ask('a', { prompt: 'a' }), isCode('ERR_TIMERNN_OPTION', /logProbability.*got "prompt"$/));
  await t.throwsAsync(ask('a', { signal: {} }), isCode('ERR_TIMERNN_OPTION', /^Expected signal/));
  await t.throwsAsync(ask('a', null), isCode('ERR_TIMERNN_OPTION', /object, got null$/));
});

test('a vocabulary without a line end starts from a space; one of integers cannot score text', async (t) => {
  const flat = newModel(Corpus.fromText('no line end here', { unit: 'char' }));
  t.is(await flat.logProbability('no'), await flat.logProbability('no', { context: ' ' }));
  const layers = [{ cell: 'rnn' as const, size: 4 }];
  const integers = new LanguageModel({ vocabulary: Vocabulary.ofSize(9), embedding: 3, layers });
  await t.throwsAsync(integers.logProbability('7', { context: '1' }), isCode('ERR_TIMERNN_VOCABULARY'));
});
