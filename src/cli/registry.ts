/** Every command of the command line, in the order of the help: one line each. */
import type { Register } from './command.js';
import { build } from './commands/build.js';
import { doctor } from './commands/doctor.js';
import { evaluate } from './commands/evaluate.js';
import { exportModel } from './commands/export.js';
import { generate } from './commands/generate.js';
import { importModel } from './commands/import.js';
import { inspect } from './commands/inspect.js';
import { recipes } from './commands/recipes.js';
import { score } from './commands/score.js';
import { serve } from './commands/serve.js';
import { train } from './commands/train.js';

export const commands: readonly Register[] = [
  train,
  recipes,
  evaluate,
  generate,
  score,
  serve,
  inspect,
  exportModel,
  importModel,
  doctor,
  build,
];
