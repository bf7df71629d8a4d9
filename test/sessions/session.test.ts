/** Sessions: what they answer, in which order, what leaves them untouched, and states that travel. */
import test from 'ava';
import { Corpus, type LanguageModel, type PredictorOptions, type Session } from 'timernn';
import { encodeState } from '#src/sessions/state-blob.js';
import { charCorpus, doubles, loadedModel, newModel, referenceLoss } from '../models/helpers/models.js';

const corpus = charCorpus(3000);
const model = newModel(corpus);
const V = corpus.vocabulary.size;
const some = [...corpus.tokens.slice(0, 30)];
const predictor = model.predictor();

async function all(pieces: AsyncIterable<number>): Promise<number[]> {
  const out: number[] = [];
  for await (const piece of pieces) out.push(piece);
  return out;
}

/** What a session of some predictor answers to a fixed course of questions. */
async function course(session: Session): Promise<unknown[]> {
  return [
    await session.step(some[0]!),
    await session.step(some[1]!, { topK: 4 }),
    await session.surprise(some[2]!),
    await session.score(some.slice(3, 9)),
    await session.logProbability(some[9]!),
    await session.probabilities({ topK: 2 }),
    await all(session.generate({ length: 5, seed: 3 })),
    await all(session.generate({ length: 5, seed: 3, topK: 3, temperature: 0.7 })),
    session.position,
    session.state,
  ];
}

test('surprise over a text is the loss of the double model', async (t) => {
  const session = (await predictor).session();
  await session.observe(some[0]!);
  let total = 0;
  for (const token of some.slice(1)) total += await session.surprise(token);
  const loss = referenceLoss(model, await doubles(model), some);
  t.true(Math.abs(total - loss) < 1e-5 * loss, `${total} for ${loss}`);
  t.is(session.position, some.length);
});

test('probabilities sum to 1; top-k, log probability, surprise and score agree with them', async (t) => {
  const session = (await predictor).session();
  const p = await session.step(some[0]!);
  t.is(p.length, V);
  t.true(Math.abs(p.reduce((sum, x) => sum + x, 0) - 1) < 1e-5);
  t.deepEqual(await session.probabilities(), p, 'asking again reads nothing');
  const order = [...p.keys()].sort((a, b) => p[b]! - p[a]! || a - b);
  const top = await session.probabilities({ topK: 5 });
  t.deepEqual(
    top.map(({ token }) => token),
    order.slice(0, 5),
  );
  // Float probabilities against logarithms in double.
  for (const { token, probability } of top) t.true(Math.abs(probability - p[token]!) < 1e-6);
  t.is((await session.probabilities({ topK: V + 10 })).length, V, 'no more than there are');
  const next = some[1]!;
  const log = await session.logProbability(next);
  t.true(Math.abs(log - Math.log(p[next]!)) < 1e-5);
  t.is(session.position, 1);
  const fork = session.fork();
  t.is(await session.surprise(next), -log);
  t.deepEqual([...(await fork.score([next]))], [log]);
  t.deepEqual(fork.state, session.state);
});

test('on the calling thread: the same answers', async (t) => {
  const a = (await predictor).session();
  const b = (await predictor).session();
  t.deepEqual(a.stepSync(some[0]!), await b.step(some[0]!));
  t.deepEqual(a.stepSync(some[1]!, { topK: 3 }), await b.step(some[1]!, { topK: 3 }));
  t.is(a.surpriseSync(some[2]!), await b.surprise(some[2]!));
  t.deepEqual(a.state, b.state);
});

test('a session has the same bits alone and among many, with every precision, lanes and threads', async (t) => {
  for (const precision of ['float32', 'bfloat16', 'int8'] as const) {
    const alone = await course((await model.predictor({ precision, lanes: 1 })).session());
    const others: PredictorOptions[] = [{ lanes: 3, maxBatch: 5 }, { threads: 2 }, { maxBatch: 1 }, { maxWait: 2 }];
    for (const options of others) {
      const crowded = await model.predictor({ precision, ...options });
      const sessions = Array.from({ length: 13 }, () => crowded.session());
      const noise = Promise.all(sessions.map((session, i) => session.observe(some.slice(i))));
      const courses = await Promise.all([course(crowded.session()), course(crowded.session()), noise]);
      t.deepEqual(courses[0], alone, `${precision} ${JSON.stringify(options)}`);
      t.deepEqual(courses[1], alone);
      await crowded.close();
    }
  }
});

test('requests of one session run in their order, whatever their length', async (t) => {
  const a = (await predictor).session();
  const b = (await predictor).session();
  const waiting = [a.observe(corpus.tokens.slice(0, 200)), a.step(some[0]!), a.surprise(some[1]!)];
  const seen: number[] = [];
  waiting.forEach((promise, i) => void promise.then(() => seen.push(i)));
  const [, step, surprise] = await Promise.all(waiting);
  t.deepEqual(seen, [0, 1, 2]);
  await b.observe(corpus.tokens.slice(0, 200));
  t.deepEqual(step, await b.step(some[0]!));
  t.is(surprise, await b.surprise(some[1]!));
});

test('one session’s own line is as long as maxQueue', async (t) => {
  const own = await model.predictor({ maxQueue: 3 });
  const session = own.session();
  const asked = some.slice(0, 4).map((token) => session.step(token));
  await t.throwsAsync(session.step(some[0]!), {
    code: 'ERR_TIMERNN_OVERLOADED',
    message: 'Expected at most 3 requests of a session to wait, got one more',
  });
  t.is(own.stats.refused, 1);
  await Promise.all(asked);
  t.is(session.position, 4);
  await session.step(some[0]!);
  await own.close();
});

test('a signal takes a request out of the session’s line at once, and those behind it have their turn', async (t) => {
  const session = (await predictor).session();
  const controller = new AbortController();
  const order: string[] = [];
  const long = session.observe(corpus.tokens.slice(0, 2000)).then(() => order.push('long'));
  const away = t.throwsAsync(
    session.step(some[0]!, { signal: controller.signal }).catch((error: unknown) => {
      order.push('away');
      throw error;
    }),
    { message: 'enough' },
  );
  const last = session.step(some[1]!).then(() => order.push('last'));
  const never = t.throwsAsync(session.step(some[1]!, { signal: AbortSignal.abort(new Error('before')) }));
  controller.abort(new Error('enough'));
  await Promise.all([long, away, last, never]);
  t.deepEqual(order, ['away', 'long', 'last']);
  t.is(session.position, 2001);
});

test('tokens may be strings of the vocabulary; unknown ones are <unk>', async (t) => {
  const a = (await predictor).session();
  const b = (await predictor).session();
  const { vocabulary } = corpus;
  const letter = vocabulary.decode([some[0]!]);
  t.deepEqual(await a.step(letter), await b.step(some[0]!));
  t.deepEqual(await a.step('☃'), await b.step(vocabulary.unknownId!));
  await a.observe([letter, some[1]!]);
  await b.observe(Uint32Array.of(some[0]!, some[1]!));
  t.deepEqual(a.state, b.state);
});

test('generate: same seed, same tokens; leaving the loop leaves what was yielded', async (t) => {
  const a = (await predictor).session();
  await a.observe(some);
  const b = a.fork();
  const whole = await all(a.fork().generate({ length: 20, seed: 5 }));
  t.deepEqual(await all(a.fork().generate({ length: 20, seed: 5 })), whole);
  t.notDeepEqual(await all(a.fork().generate({ length: 20, seed: 6 })), whole);
  const part: number[] = [];
  for await (const token of a.generate({ length: 20, seed: 5 })) {
    part.push(token);
    if (part.length === 7) break;
  }
  t.deepEqual(part, whole.slice(0, 7));
  await b.observe(part);
  t.deepEqual(a.state, b.state);
  t.deepEqual(await all(a.generate({ length: 0 })), []);
  const greedy = await all(b.fork().generate({ length: 4, temperature: 0 }));
  for (const token of greedy) {
    t.is((await b.probabilities({ topK: 2 })).find((best) => best.token !== corpus.vocabulary.unknownId)!.token, token);
    await b.observe(token);
  }
});

test('a state goes on elsewhere to the same bits', async (t) => {
  const a = (await predictor).session();
  await a.observe(some);
  const blob = a.state;
  t.is(blob.length, 52 + 4 * stateLength(model) + 8);
  t.is((await predictor).stateBytes, blob.length);
  const elsewhere = await (await loadedModel(corpus, {})).predictor();
  const b = elsewhere.session({ state: blob });
  t.is(b.position, some.length);
  t.deepEqual(await b.step(some[0]!), await a.step(some[0]!));
  a.reset();
  t.is(a.position, 0);
  t.deepEqual(a.state, (await predictor).session().state);
  a.state = b.state;
  t.deepEqual(a.state, b.state);
  const quantised = (await model.predictor({ precision: 'int8' })).session({ state: blob });
  t.is(quantised.position, some.length, 'a state is of a model, not of a precision');
});

test('states that are damaged, of another model or no states are refused, and change nothing', async (t) => {
  const session = (await predictor).session();
  await session.observe(some);
  const before = session.state;
  const refused = (blob: unknown, why: RegExp) =>
    t.throws(() => (session.state = blob as Uint8Array), { code: 'ERR_TIMERNN_STATE', message: why });
  refused('text', /Uint8Array, got "text"/);
  refused(new Uint8Array(), /0 bytes that are none/);
  refused(new Uint8Array(4000), /4000 bytes that are none/);
  for (let i = 4; i < before.length; i++) {
    const changed = before.slice();
    changed[i]! ^= 1;
    t.throws(() => (session.state = changed), { code: 'ERR_TIMERNN_STATE' });
    t.throws(() => (session.state = before.subarray(0, i)), { code: 'ERR_TIMERNN_STATE' });
  }
  refused(new Uint8Array([...before, 0]), /checksum/);
  const other = (await newModel(corpus, { seed: 9 }).predictor()).session();
  refused(other.state, /of this model \(hash [0-9a-f]{12}\), got one of the model [0-9a-f]{12}/);
  const { modelHash } = await predictor;
  const forged = (values: Float32Array, position = 1) => encodeState({ modelHash, position, values });
  const length = stateLength(model);
  refused(forged(new Float32Array(length).fill(Number.NaN)), /finite numbers, got NaN at index 0/);
  refused(forged(new Float32Array(length + 1)), /state of \d+ numbers, got/);
  t.deepEqual(session.state, before);
  const far = (await predictor).session({ state: forged(new Float32Array(length), Number.MAX_SAFE_INTEGER) });
  t.is(far.position, 2 ** 52, 'the count stands still there');
  await far.observe(some[0]!);
  t.is((await predictor).session({ state: far.state }).position, 2 ** 52);
  t.throws(() => model.session({ stat: before } as never), {
    code: 'ERR_TIMERNN_OPTION',
    message: /state, got "stat"/,
  });
});

test('bad tokens and options are refused at once, and change nothing', async (t) => {
  const session = (await predictor).session();
  for (const bad of [-1, V, 1.5, Number.NaN, null, undefined, {}] as never[]) {
    await t.throwsAsync(session.step(bad), { code: 'ERR_TIMERNN_TOKEN' });
    await t.throwsAsync(session.observe([some[0]!, bad]), { code: 'ERR_TIMERNN_TOKEN' });
    t.throws(() => session.stepSync(bad), { code: 'ERR_TIMERNN_TOKEN' });
  }
  await t.throwsAsync(session.observe(Uint32Array.of(V)), { code: 'ERR_TIMERNN_TOKEN' });
  await t.throwsAsync(session.step(0, { topk: 1 } as never), { code: 'ERR_TIMERNN_OPTION', message: /topK, signal/ });
  for (const topK of [0, -1, 1.5, '1'] as never[]) {
    await t.throwsAsync(session.step(0, { topK }), { code: 'ERR_TIMERNN_OPTION' });
  }
  for (const options of [{ length: -1 }, { temperature: Number.NaN }, { seed: -1 }, { topK: 1.5 }, { prompt: 'a' }]) {
    t.throws(() => session.generate(options as never), { code: 'ERR_TIMERNN_OPTION' });
  }
  t.is(session.position, 0);
  t.deepEqual(session.state, (await predictor).session().state);
  const options = [
    { lanes: 0 },
    { threads: 65 },
    { lanes: 8, threads: 9 },
    { maxWait: -1 },
    { precision: 'int4' },
    { lane: 1 },
  ];
  for (const bad of options) await t.throwsAsync(model.predictor(bad as never), { code: 'ERR_TIMERNN_OPTION' });
});

test('while a request is under way, nothing else touches the state', async (t) => {
  const session = (await predictor).session();
  const pending = session.observe(some);
  for (const call of [() => session.stepSync(0), () => session.fork(), () => session.reset(), () => session.state]) {
    t.throws(call, { code: 'ERR_TIMERNN_BUSY', message: /under way/ });
  }
  await pending;
  t.is(session.fork().position, some.length);
});

test('a session of a model has the weights of the moment when it was made', async (t) => {
  const own = newModel(corpus);
  const before = own.session();
  t.throws(() => before.state, { code: 'ERR_TIMERNN_BUSY', message: /await session\.ready/ });
  await before.ready;
  const p = await before.fork().step(some[0]!);
  for await (const _ of own.train(corpus, { streams: 4, window: 8, learningRate: 0.5 })) {
  }
  t.deepEqual(await before.step(some[0]!), p);
  t.notDeepEqual(await own.session().step(some[0]!), p);
  t.throws(() => own.session({ state: before.state }), { code: 'ERR_TIMERNN_STATE' });
});

test('a session of a model: what is asked at once, before and after the weights are packed', async (t) => {
  const own = newModel(corpus);
  const first = own.session();
  await first.observe(some);
  const { state } = first;
  // Packed by now: as ready as one of a predictor.
  const second = own.session({ state });
  t.is(second.position, some.length);
  t.deepEqual(second.stepSync(some[0]!), first.fork().stepSync(some[0]!));
  t.throws(() => own.session({ state: state.subarray(1) }), { code: 'ERR_TIMERNN_STATE' });
  // Not packed yet: damage and the position show at once, another model as a rejection.
  const other = newModel(corpus, { layers: [{ cell: 'rnn', size: 8 }] });
  const early = other.session({ state });
  t.is(early.position, some.length);
  await t.throwsAsync(early.step(0), { code: 'ERR_TIMERNN_STATE' });
  t.throws(() => newModel(corpus).session({ state: state.subarray(1) }), { code: 'ERR_TIMERNN_STATE' });
});

test('close: what was asked is answered, however long; what comes later is refused', async (t) => {
  const own = await model.predictor({ lanes: 1, maxWait: 20_000 });
  const session = own.session();
  const asked = [session.observe(corpus.tokens.slice(0, 500)), session.step(some[0]!), own.perplexity(corpus)];
  const closing = own.close();
  await t.throwsAsync(session.step(some[0]!), { code: 'ERR_TIMERNN_CLOSED' });
  await t.throwsAsync(own.perplexity(corpus), { code: 'ERR_TIMERNN_CLOSED' });
  t.throws(() => own.session().stepSync(some[0]!), { code: 'ERR_TIMERNN_CLOSED' });
  await t.notThrowsAsync(Promise.all(asked));
  await closing;
  t.is(session.position, 501);
  await own.close();
});

test('a request whose state overflows is refused, and the session is as it was', async (t) => {
  const wild = newModel(corpus, { layers: [{ cell: 'rnn', size: 8, activation: 'relu' }], more: { initialRange: 50 } });
  const session = wild.session();
  const error = await t.throwsAsync(session.observe(corpus.tokens.slice(0, 400)));
  t.is((error as { code?: string }).code, 'ERR_TIMERNN_NOT_FINITE');
  t.is(session.position, 0);
  const again = wild.session({ state: session.state });
  await t.notThrowsAsync(again.ready);
  await t.notThrowsAsync(session.step(some[0]!));
});

test('perplexity of a predictor is the model’s in float32, and near it in the others', async (t) => {
  const wanted = await model.perplexity(corpus);
  const near = { float32: 1e-5, bfloat16: 1e-2, int8: 1e-2 };
  for (const precision of ['float32', 'bfloat16', 'int8'] as const) {
    const packed = await model.predictor({ precision });
    const got = await packed.perplexity(corpus);
    t.true(Math.abs(got - wanted) < near[precision] * wanted, `${precision}: ${got} for ${wanted}`);
    const streams = await packed.perplexity(corpus, { streams: 7 });
    t.true(Math.abs(streams - (await model.perplexity(corpus, { streams: 7 }))) < 2e-2 * wanted);
  }
  const bytes = await Promise.all(
    (['float32', 'bfloat16', 'int8'] as const).map(
      async (precision) => (await model.predictor({ precision })).weightBytes,
    ),
  );
  t.true(bytes[0]! > bytes[1]! && bytes[1]! > bytes[2]!);
  await t.throwsAsync((await predictor).perplexity(Corpus.fromText('abc', { unit: 'char' })), {
    code: 'ERR_TIMERNN_VOCABULARY',
  });
  await t.throwsAsync((await predictor).perplexity(corpus, { signal: AbortSignal.abort(new Error('enough')) }), {
    message: 'enough',
  });
});

/** Floats of a session's state: h of each layer, and c of an LSTM's. */
function stateLength({ spec }: LanguageModel): number {
  return spec.layers.reduce((sum, { cell, size }) => sum + size * (cell === 'lstm' ? 2 : 1), 0);
}
