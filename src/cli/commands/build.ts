/** `timernn build`: compiles the native part where the install script did not. Needs no addon. */
import { newCommand, type Register } from '../command.js';

export const build: Register = (program) => {
  newCommand(program, 'build', 'Compile the native part of timernn on this machine.', [
    ['build', 'after an installation without install scripts'],
    ['build --verbose', 'with all that CMake and the compiler say'],
  ])
    .option('--verbose', 'show the whole output of the build')
    .action(async (flags: { verbose?: boolean }) => {
      const { buildAddon } = await import('../build.js');
      await buildAddon({ verbose: flags.verbose === true });
    });
};
