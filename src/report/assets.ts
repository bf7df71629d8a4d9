/**
 * Reads the plotting library that a report carries inside itself.
 * Refuses to do: any network access, now or in the page.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TimeRNNError } from '../errors.js';

/** Sources that are inlined into the page. */
export interface ReportAssets {
  script: string;
  style: string;
}

/**
 * Loads uPlot from the installed package. A run that will write a report calls this before it trains, so that a broken
 * installation shows at once.
 *
 * @throws ERR_TIMERNN_FILE where the package `uplot` is missing or cannot be read
 */
export async function loadAssets(): Promise<ReportAssets> {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('uplot'));
    const [script, style] = await Promise.all([
      readFile(join(folder, 'uPlot.iife.min.js'), 'utf8'),
      readFile(join(folder, 'uPlot.min.css'), 'utf8'),
    ]);
    return { script, style };
  } catch (cause) {
    throw new TimeRNNError(
      'ERR_TIMERNN_FILE',
      'Expected the package uplot, which draws the report, to be installed next to timernn; run: npm install uplot',
      { cause },
    );
  }
}
