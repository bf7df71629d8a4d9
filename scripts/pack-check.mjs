/**
 * Packs timernn as npm would publish it and uses the tarball as a stranger does: installed in an empty folder, trained
 * and generated from in a short ESM script, its types resolved, its loader's messages read when the addon is gone.
 * Each of these is one check; the last line counts them.
 */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checks, expectSuccess, root, run, tool } from './checks.mjs';

const MINUTE = 60_000;
const MAX_TARBALL_BYTES = 1_000_000;

/** The first thing a user would try; CONSUMER in another folder proves that nothing of the checkout is needed. */
const CONSUMER = `import { Corpus, LanguageModel } from 'timernn';
const corpus = Corpus.fromText('the whale swam on and on, and the sea was wide. '.repeat(200), { unit: 'char' });
const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [{ cell: 'rnn', size: 32 }] });
let perplexity = Infinity;
for await (const progress of model.train(corpus, { streams: 4, window: 16, epochs: 3, workers: 2 })) perplexity = progress.perplexity;
if (!(perplexity < corpus.vocabulary.size)) throw new Error(\`Expected a falling perplexity, got \${perplexity}\`);
let text = '';
for await (const piece of model.generate({ prompt: 'the ', length: 40 })) text += piece;
if (text.length < 40) throw new Error(\`Expected 40 characters, got \${JSON.stringify(text)}\`);
console.log(perplexity.toFixed(2), JSON.stringify(text));
`;

const TYPED_CONSUMER = `import { Corpus, LanguageModel, TimeRNNError } from 'timernn';
import { TimeRNN, Tensor } from 'timernn/layers';
export const corpus: Corpus = Corpus.fromText('abc', { unit: 'char' });
export const failed = (error: unknown): error is TimeRNNError => error instanceof TimeRNNError;
export const layer: TimeRNN = new TimeRNN({ inputSize: 2, hiddenSize: 3 });
export const hs: Tensor = layer.forward(new Tensor(new Float32Array(4), [1, 2, 2]));
export const model: LanguageModel | undefined = undefined;
// @ts-expect-error a file name is a string: proves that the types are really there, not \`any\`
export const wrong = LanguageModel.load(42);
`;

/** A strict Node project; it has @types/node, as the checkout does, and checks our declarations too. */
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2022',
    skipLibCheck: false,
    typeRoots: [join(root, 'node_modules', '@types')],
    types: ['node'],
  },
  files: ['typed.ts'],
};

/** Packs without lifecycle scripts (dist/ is built by then). @returns the tarball's path and the names in it */
async function pack(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  const output = await expectSuccess('npm', args, { timeout: MINUTE });
  const [{ filename, files }] = JSON.parse(output.slice(output.indexOf('[')));
  return { tarball: join(folder, filename), files: files.map(({ path }) => path) };
}

function checkContents({ tarball, files }) {
  const stray = files.filter((file) => /(^|\/)(tests?|fixtures|examples|bench|node_modules|build)\//.test(file));
  if (stray.length > 0) throw new Error(`Expected no tests or build outputs in the tarball, got ${stray.join(', ')}`);
  const needed = ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'CMakeLists.txt', 'native/CMakeLists.txt'];
  needed.push('cmake/TimernnBlas.cmake', 'scripts/install.mjs', 'scripts/build-native.mjs', 'LICENSE', 'README.md');
  const absent = needed.filter((file) => !files.includes(file));
  if (absent.length > 0) throw new Error(`Expected ${absent.join(', ')} in the tarball`);
  const { size } = statSync(tarball);
  if (size > MAX_TARBALL_BYTES) throw new Error(`Expected at most ${MAX_TARBALL_BYTES} bytes, got ${size}`);
}

/** Runs the consumer where it must fail, and expects each of the texts in what it prints. */
async function expectLoadFailure(consumer, texts, env) {
  const { code, output } = await run(process.execPath, ['consumer.mjs'], { cwd: consumer, env, timeout: MINUTE });
  if (code === 0) throw new Error('Expected the import to fail without the addon');
  for (const text of ['ERR_TIMERNN_NATIVE', ...texts]) {
    if (!output.includes(text))
      throw new Error(`Expected the message to contain ${JSON.stringify(text)}, got\n${output}`);
  }
}

const checks = new Checks();
const folder = mkdtempSync(join(tmpdir(), 'timernn-pack-'));
const consumer = mkdtempSync(join(tmpdir(), 'timernn-consumer-'));
const installed = join(consumer, 'node_modules', 'timernn');
const inConsumer = { cwd: consumer, timeout: 10 * MINUTE };
try {
  let packed;
  await checks.check('npm pack holds what is needed and no more', async () => {
    packed = await pack(folder);
    checkContents(packed);
  });
  if (packed !== undefined) {
    await checks.check('publint', () =>
      expectSuccess(tool('publint'), [packed.tarball, '--strict'], {
        timeout: 2 * MINUTE,
      }),
    );
    await checks.check('types resolve for ESM consumers (attw)', () =>
      expectSuccess(tool('attw'), [packed.tarball, '--profile', 'esm-only'], {
        timeout: 2 * MINUTE,
      }),
    );
    // npm 12 runs install scripts only of approved packages; earlier ones do not know the field.
    const allowScripts = { [`file:${packed.tarball}`]: true };
    const manifest = { private: true, type: 'module', allowScripts };
    writeFileSync(join(consumer, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(consumer, 'consumer.mjs'), CONSUMER);
    writeFileSync(join(consumer, 'typed.ts'), TYPED_CONSUMER);
    writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    const usable = await checks.check('npm install of the tarball in an empty folder', () =>
      expectSuccess('npm', ['install', '--no-audit', '--no-fund', packed.tarball], inConsumer),
    );
    if (usable) await checkInstalled();
  }
} finally {
  for (const temporary of [folder, consumer]) rmSync(temporary, { recursive: true, force: true });
}
checks.finish();

async function checkInstalled() {
  await checks.check('a ten-line script trains and generates', () =>
    expectSuccess(process.execPath, ['consumer.mjs'], inConsumer),
  );
  await checks.check('a strict TypeScript consumer compiles', () => {
    return expectSuccess(tool('tsc'), ['-p', 'tsconfig.json'], inConsumer);
  });
  await checks.check('without the addon, the loader names the command that mends it', async () => {
    // What npm install compiled stays, so that building again below takes seconds, not another minute.
    rmSync(join(installed, 'build', 'Release'), { recursive: true });
    const npm = ['install script has not run', 'npx timernn build', 'npm approve-scripts timernn'];
    await expectLoadFailure(consumer, npm, { npm_config_user_agent: undefined });
    await expectLoadFailure(consumer, ['pnpm approve-builds'], { npm_config_user_agent: 'pnpm/10.1.0 node/v20' });
  });
  await checks.check('help does not need the addon', () =>
    expectSuccess('npx', ['--no-install', 'timernn', '--help'], inConsumer),
  );
  await checks.check('`npx timernn build` mends it', async () => {
    await expectSuccess('npx', ['--no-install', 'timernn', 'build'], inConsumer);
    if (!existsSync(join(installed, 'build', 'Release', 'timernn.node'))) throw new Error('Expected an addon');
    await expectSuccess(process.execPath, ['consumer.mjs'], inConsumer);
  });
}
