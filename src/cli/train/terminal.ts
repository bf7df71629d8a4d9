/** What a training command shows, and how it is stopped. */
import { type Interrupts, listenForInterrupts } from '../interrupt.js';
import { abilities, whenPipeBreaks } from '../output.js';
import { both, CLEAR_LINE, JsonReporter, type Reporter, TextReporter } from '../reporters.js';

/** With --json the objects have stdout to themselves and people read stderr. */
export function makeReporter(flags: { json?: boolean; quiet?: boolean }): Reporter {
  const sink = flags.json ? process.stderr : process.stdout;
  const reporters: Reporter[] = flags.quiet ? [] : [new TextReporter(sink, () => abilities(sink))];
  if (flags.json) reporters.push(new JsonReporter(process.stdout));
  return both(reporters);
}

export function interruptible(): Interrupts {
  const interrupts = listenForInterrupts((reason) => {
    if (reason.signalName === 'EPIPE') return;
    // The terminal has written ^C behind the progress line: both go.
    const start = abilities(process.stderr).live ? CLEAR_LINE : process.stderr.isTTY ? '\n' : '';
    process.stderr.write(
      `${start}${reason.signalName}: stopping at the next window and saving; once more to quit at once.\n`,
    );
  });
  // A reader that has gone must not cost the model: end as by a signal.
  whenPipeBreaks(() => interrupts.abort('EPIPE'));
  return interrupts;
}
