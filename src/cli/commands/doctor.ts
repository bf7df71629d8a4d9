/** `timernn doctor`: is this machine ready, and how fast is it. Works where the addon does not load. */
import { newCommand, type Register } from '../command.js';
import { examine, type Finding, type Status } from '../doctor/checks.js';
import { collectFacts } from '../doctor/facts.js';
import { EXIT } from '../failures.js';
import type { Paint } from '../format.js';
import { abilities, jsonLine, print } from '../output.js';

const MARKS: Record<Status, readonly [mark: string, style: Parameters<Paint>[0]]> = {
  ok: ['✓', 'green'],
  warn: ['!', 'yellow'],
  fail: ['✗', 'red'],
};

/** A finding as lines: a mark, the subject, what was found, and below it what to do. */
export function findingLines(finding: Finding, paint: Paint): string[] {
  const [mark, style] = MARKS[finding.status];
  const lines = [`${paint(style, mark)} ${finding.subject.padEnd(18)} ${finding.found}`];
  for (const line of finding.remedy?.split('\n') ?? []) lines.push(`${' '.repeat(21)}${line}`);
  return lines;
}

async function action(flags: { json?: boolean; measure: boolean }): Promise<void> {
  const facts = await collectFacts(flags.measure);
  const findings = examine(facts);
  const worst = findings.some((finding) => finding.status === 'fail') ? EXIT.failed : EXIT.ok;
  process.exitCode = worst;
  if (flags.json) {
    await print(jsonLine({ ok: worst === EXIT.ok, findings, facts }));
    return;
  }
  const { paint } = abilities(process.stdout);
  for (const finding of findings) await print(`${findingLines(finding, paint).join('\n')}\n`);
  const toDo = findings.filter((finding) => finding.status !== 'ok').length;
  await print(toDo === 0 ? '\nAll is well.\n' : `\n${toDo} of ${findings.length} could be better; see above.\n`);
}

export const doctor: Register = (program) => {
  newCommand(program, 'doctor', 'Check this machine: Node, CPU, kernels, BLAS, speed; and say what to mend.', [
    ['doctor', 'takes a few seconds, most of them measuring'],
    ['doctor --no-measure', 'at once'],
    ['doctor --json', 'for programs'],
  ])
    .option('--no-measure', 'leave out the measurements')
    .option('--json', 'print one JSON object')
    .action(action);
};
