// A session that outlives its process. One process reads the beginning of a text and puts the session's state into a key-value
// store; another one takes it out and goes on: the same probabilities, to the bit, as if nothing had happened.
//
// The store is a folder with a file a key; a state is some bytes, so Redis or a column of a table would do as well.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Corpus, LanguageModel } from 'timernn';

const TEXT = 'call me ishmael. some years ago';
const CUT = 14;

/** Writes are whole or not at all, as one would want of any store. */
const store = (folder) => ({
  async set(key, bytes) {
    await writeFile(join(folder, `${key}.tmp`), bytes);
    await rename(join(folder, `${key}.tmp`), join(folder, key));
  },
  get: async (key) => new Uint8Array(await readFile(join(folder, key))),
});

async function begin(folder) {
  const model = await LanguageModel.load(join(folder, 'model.safetensors'));
  const session = model.session();
  await session.observe(model.vocabulary.encode(TEXT.slice(0, CUT)));
  await store(folder).set('user-17', session.state);
  return { read: session.position, bytes: session.state.length };
}

async function goOn(folder) {
  const model = await LanguageModel.load(join(folder, 'model.safetensors'));
  const predictor = await model.predictor();
  const session = predictor.session({ state: await store(folder).get('user-17') });
  await session.observe(model.vocabulary.encode(TEXT.slice(CUT)));
  const answer = { read: session.position, probabilities: [...(await session.probabilities())] };
  await predictor.close();
  return answer;
}

/** Runs a part of this file in a process of its own. */
async function inProcess(part, folder) {
  const child = fork(fileURLToPath(import.meta.url), [part, folder]);
  const [answer] = await once(child, 'message');
  await once(child, 'exit');
  return answer;
}

async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'timernn-store-'));
  try {
    const corpus = Corpus.fromText(`${TEXT}, never mind how long\n`.repeat(100), { unit: 'char' });
    const model = new LanguageModel({
      vocabulary: corpus.vocabulary,
      embedding: 8,
      layers: [{ cell: 'lstm', size: 32 }],
    });
    for await (const _ of model.train(corpus, { streams: 8, window: 32, epochs: 3 }));
    await model.save(join(folder, 'model.safetensors'));

    const first = await inProcess('begin', folder);
    console.log(`process 1 read ${first.read} characters and stored ${first.bytes} bytes`);
    const second = await inProcess('goOn', folder);
    console.log(`process 2 went on to character ${second.read}`);

    const session = model.session();
    await session.observe(model.vocabulary.encode(TEXT));
    const whole = await session.probabilities();
    const same = second.probabilities.every((probability, i) => Object.is(probability, whole[i]));
    console.log(`${whole.length} probabilities, ${same ? 'the same to the bit' : 'DIFFERENT'}`);
    if (!same) process.exitCode = 1;
    const [next] = await session.probabilities({ topK: 1 });
    console.log(
      `next: ${JSON.stringify(model.vocabulary.token(next.token))}, ${(100 * next.probability).toFixed(0)} %`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const [part, folder] = process.argv.slice(2);
if (part === undefined) await main();
else {
  const answer = await { begin, goOn }[part](folder);
  process.send(answer, () => process.disconnect());
}
