/**
 * Tells many runs of one abort. Refuses to do: aborting; that is the signal's owner's to do.
 */

/** What to do when a signal aborts. One listener serves all: Node warns of a leak where a signal has more than ten. */
const actions = new WeakMap<AbortSignal, { all: Set<() => void>; listener: () => void }>();

/**
 * Calls `action` once the signal aborts. A signal that has aborted already calls nothing.
 *
 * @returns takes the action away; the listener goes with the last one
 */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (signal === undefined) return () => {};
  let entry = actions.get(signal);
  if (entry === undefined) {
    const all = new Set<() => void>();
    const listener = () => {
      for (const each of all) each();
    };
    entry = { all, listener };
    actions.set(signal, entry);
    signal.addEventListener('abort', listener);
  }
  const { all, listener } = entry;
  all.add(action);
  return () => {
    if (!all.delete(action) || all.size > 0) return;
    actions.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
