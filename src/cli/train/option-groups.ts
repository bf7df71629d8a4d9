/** The options of `timernn train`, group by group as its help shows them. */
import type { Command } from 'commander';
import { averageOption, choiceOption, integerOption, numberOption, shareOption } from '../options.js';
import { SCHEDULES } from './schedule.js';

const OPTIMIZERS = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam', 'adamw', 'asgd'];

function addTextOptions(command: Command): void {
  command
    .optionsGroup('Text:')
    .addOption(choiceOption('-u, --unit <unit>', 'what a token is', ['char', 'word'], 'char'))
    .addOption(integerOption('--vocabulary-size <n>', 'keep the n most frequent tokens (default: all)', { min: 2 }))
    .option('--lowercase', 'turn the text to lower case')
    .option('--separate-punctuation', 'words: make punctuation marks words of their own')
    .addOption(shareOption('--held-out <share>', 'end of the text that is only measured, not trained on', 0.1));
}

function addModelOptions(command: Command): void {
  command
    .optionsGroup('Model:')
    .addOption(choiceOption('--cell <cell>', 'recurrent cell', ['rnn', 'lstm', 'gru'], 'rnn'))
    .addOption(choiceOption('--activation <f>', 'of --cell rnn (default: tanh)', ['tanh', 'relu']))
    .option('--reset-before', 'of --cell gru: reset before the recurrent product, as in the book')
    .addOption(integerOption('--embedding <n>', 'size of the embedding', { default: 64 }))
    .addOption(integerOption('--size <n>', 'hidden units of a layer', { default: 256 }))
    .addOption(integerOption('--layers <n>', 'stacked recurrent layers', { default: 1 }))
    .option('--tied', 'share the weights of the embedding with the output layer')
    .addOption(shareOption('--dropout <share>', "share of each layer's outputs that training drops"))
    .addOption(shareOption('--input-dropout <share>', 'share of the embedded inputs that training drops'))
    .addOption(shareOption('--word-dropout <share>', 'share of the words whose embeddings training drops'))
    .addOption(shareOption('--weight-drop <share>', 'share of the recurrent weights that training drops'))
    .option('--locked-dropout', 'one dropout mask for all steps of a window')
    .option('--from <model>', 'go on training a saved model, with its vocabulary and layers');
}

function addTrainingOptions(command: Command): void {
  command
    .optionsGroup('Training:')
    .addOption(
      integerOption('--streams <n>', 'streams read side by side (mini-batch) (default: 32, fewer for a short text)'),
    )
    .addOption(integerOption('--window <n>', 'steps that the gradient flows back', { default: 64 }))
    .option('--random-windows', 'draw the length of each window around --window')
    .addOption(integerOption('--shards <n>', 'groups of streams computed together (default: follows --streams)'))
    .addOption(integerOption('--epochs <n>', 'passes over the text', { default: 5 }))
    .addOption(integerOption('--workers <n>', 'threads (default: all cores)'))
    .addOption(choiceOption('--optimizer <name>', 'what makes steps of gradients (default: sgd)', OPTIMIZERS))
    .addOption(
      averageOption(
        '--average-from <n>',
        'average the parameters after n updates, or non-monotonic: after an epoch that is worse on held-out text than one more than 5 before it, so from the 8th on at the soonest (asgd averages unasked)',
      ),
    )
    .addOption(
      numberOption('--learning-rate <x>', "step size (default: 1; with --optimizer the optimiser's own)", { above: 0 }),
    )
    .addOption(
      choiceOption(
        '--schedule <kind>',
        'how the step size falls: after each epoch, after one that was no better on held-out text (on from the best parameters, but for an average), along half a cosine to 0, not at all (default: exponential)',
        SCHEDULES,
      ),
    )
    .addOption(
      numberOption(
        '--decay <x>',
        'what exponential and plateau multiply the step size by (default: 0.9; with plateau 0.25)',
        { above: 0, max: 1 },
      ),
    )
    .addOption(
      integerOption('--warmup <n>', 'windows over which the step size rises to the learning rate', {
        min: 0,
        max: 2 ** 31 - 1,
      }),
    )
    .addOption(numberOption('--clip <norm>', 'largest gradient norm; 0 for no limit', { min: 0, default: 0.5 }))
    .addOption(numberOption('--clip-value <x>', 'cuts each number of the gradient off at ± x', { min: 0 }))
    .addOption(numberOption('--weight-decay <x>', 'shrinks the weights by this share of the step size', { min: 0 }))
    .addOption(numberOption('--activation-penalty <x>', 'penalty on large outputs of the last layer', { min: 0 }))
    .addOption(numberOption('--temporal-penalty <x>', 'penalty on outputs that change from step to step', { min: 0 }))
    .addOption(integerOption('--patience <n>', 'stop after n epochs without a better held-out perplexity'))
    .option('--keep-best', 'end with the epoch that was best on held-out text (always with --patience)')
    .addOption(integerOption('--seed <n>', 'seed of initial weights and dropout', { min: 0, default: 1 }));
}

function addRunOptions(command: Command): void {
  command
    .optionsGroup('Run:')
    .option('--run <dir>', 'record the run in a folder: checkpoints, a line an epoch, the curve')
    .option('--resume', 'go on with the run of that folder, exactly, from its newest checkpoint')
    .addOption(integerOption('--checkpoint-seconds <n>', 'seconds between checkpoints (default: 300)'))
    .addOption(integerOption('--checkpoint-windows <n>', 'windows between checkpoints, instead of seconds'))
    .addOption(integerOption('--keep-checkpoints <n>', 'checkpoints that are kept (default: 2)'));
}

function addRecipeOptions(command: Command): void {
  command
    .optionsGroup('Recipe:')
    .option('--recipe <name>', 'train what a recipe says; a name of `timernn recipes`, or a .json file')
    .option('--data <dir>', 'folder with the data of the recipe');
}

function addOutputOptions(command: Command): void {
  command
    .optionsGroup('Output:')
    .addOption(integerOption('--sample <n>', 'tokens to write after each epoch; 0 for none', { min: 0, default: 200 }))
    .option('--prompt <text>', 'what the samples continue')
    .option('-o, --out <file>', 'where to save the model; replaces a file that is there', 'model.safetensors')
    .option('--report <file>', 'write curves, samples and settings as one HTML page')
    .option('--json', 'print one JSON object a line on stdout, text on stderr; epochs count from 1')
    .option('-q, --quiet', 'print nothing but errors (and --json)');
}

export function addTrainOptions(command: Command): Command {
  addRecipeOptions(command);
  addTextOptions(command);
  addModelOptions(command);
  addTrainingOptions(command);
  addRunOptions(command);
  addOutputOptions(command);
  return command;
}
