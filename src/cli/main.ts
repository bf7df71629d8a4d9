#!/usr/bin/env node
/** Entry of the command `timernn`. */
import { watchPipes } from './output.js';
import { run } from './program.js';

watchPipes();
process.exitCode = await run(process.argv.slice(2));
