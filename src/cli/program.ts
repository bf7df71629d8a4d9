/** The program: its commands, and how its failures are told. */
import { Command, CommanderError } from 'commander';
import { describeFailure, wantsStack } from './failures.js';
import { commands } from './registry.js';
import { version } from './version.js';

/**
 * A fresh program; parsing it throws instead of leaving the process.
 *
 * @param asked - the command that is asked for; where it is none, the program has them all
 */
export async function createProgram(asked: string | undefined): Promise<Command> {
  const program = new Command('timernn')
    .description('Train and use recurrent sequence models on the cores of this machine.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(true)
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    .addHelpText('after', '\nStart with: timernn train book.txt --unit char');
  const one = commands.get(asked ?? '');
  const needed = one === undefined ? [...commands.values()] : [one];
  for (const register of await Promise.all(needed.map((load) => load()))) register(program);
  return program;
}

/**
 * Runs a command line.
 *
 * @param args without `node` and the script
 * @returns the exit code; commands that end by a signal set `process.exitCode` themselves
 */
export async function run(args: readonly string[]): Promise<number> {
  let program: Command | undefined;
  try {
    program = await createProgram(args[0]);
    if (args.length === 0) throw program.help({ error: true });
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const known = program?.commands.find((command) => command.name() === args[0]);
    const name = known ? `timernn ${known.name()}` : 'timernn';
    const { code, text } = describeFailure(error, name, wantsStack(args));
    if (text !== '') process.stderr.write(`${text}\n`);
    // An error that nobody planned for is a bug: say where to send it.
    if (!(error instanceof CommanderError) && error instanceof TypeError && !wantsStack(args)) {
      process.stderr.write('This looks like a bug in timernn; run again with --debug and report what it prints.\n');
    }
    return code;
  }
}
