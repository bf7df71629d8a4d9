/** Reads the TAP that AVA prints, line by line: counts the tests and prints them for people. */

/**
 * @param {(line: string) => void} print gets one line for each test, and the details of failed ones
 * @returns {{ line: (line: string) => void, counts: () => { passed: number, failed: number, skipped: number }, failures: string[] }}
 *   failures: what was printed of failed tests, to be said again where nobody has to look for it
 */
export function createTapReader(print) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const announced = {};
  const failures = [];
  let failing = false;

  const printFailure = (line) => {
    failures.push(line);
    print(line);
  };

  const test = (ok, title, directive) => {
    failing = false;
    if (directive !== undefined) {
      counts.skipped += 1;
      print(`  - ${title} (${directive.toLowerCase()})`);
    } else if (ok) {
      counts.passed += 1;
      print(`  ✔ ${title}`);
    } else {
      counts.failed += 1;
      failing = true;
      printFailure(`  ✖ ${title}`);
    }
  };

  return {
    line(line) {
      const point = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO)\b.*)?$/i.exec(line);
      const total = /^# (tests|pass|fail|skip) (\d+)$/.exec(line);
      if (point !== null) test(point[1] === undefined, point[2], point[3]);
      else if (total !== null) announced[total[1]] = Number(total[2]);
      else if (/^# {3}/.test(line)) print(`      ${line.slice(4)}`);
      else if (failing && /^\s+\S/.test(line) && !/^\s+(?:---|\.\.\.)$/.test(line)) printFailure(`  ${line}`);
      // What is neither TAP nor indented comes from the runner itself, e.g. a configuration that it cannot read.
      else if (!/^(?:TAP version|1\.\.|#|\s|$)/.test(line)) print(`  ${line}`);
    },
    failures,
    /** AVA's own closing numbers go before ours where they say more failures: a crash is no test point. */
    counts: () => ({
      ...counts,
      failed: Math.max(counts.failed, announced.fail ?? (announced.tests === undefined ? 1 : 0)),
    }),
  };
}
