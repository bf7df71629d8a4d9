/** Where the package lies; needed by the loader of the addon and by `timernn build`, which runs without the addon. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TimeRNNError } from './errors.js';

/**
 * Walks up from a folder to the one that holds the package's CMakeLists.txt and package.json.
 * @throws ERR_TIMERNN_NATIVE where there is none, e.g. in a bundle
 */
export function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'CMakeLists.txt'))) return folder;
    if (folder === dirname(folder)) break;
  }
  throw new TimeRNNError(
    'ERR_TIMERNN_NATIVE',
    `Expected the folder of the timernn package above ${from}, found none. A bundler may have moved the code: keep timernn external, so that it is loaded from node_modules.`,
  );
}
