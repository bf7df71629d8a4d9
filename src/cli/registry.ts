/**
 * Every command of the command line, in the order of the help: one line each. A command's code is read when it is asked
 * for, so that a short one does not wait for all of them.
 */
import type { Register } from './command.js';

export const commands: ReadonlyMap<string, () => Promise<Register>> = new Map([
  ['train', async () => (await import('./commands/train.js')).train],
  ['recipes', async () => (await import('./commands/recipes.js')).recipes],
  ['evaluate', async () => (await import('./commands/evaluate.js')).evaluate],
  ['generate', async () => (await import('./commands/generate.js')).generate],
  ['score', async () => (await import('./commands/score.js')).score],
  ['serve', async () => (await import('./commands/serve.js')).serve],
  ['inspect', async () => (await import('./commands/inspect.js')).inspect],
  ['export', async () => (await import('./commands/export.js')).exportModel],
  ['import', async () => (await import('./commands/import.js')).importModel],
  ['doctor', async () => (await import('./commands/doctor.js')).doctor],
  ['build', async () => (await import('./commands/build.js')).build],
]);
