/** The code of docs/exchange.md; Python is run by the interpreter that TIMERNN_PYTHON names (with torch and safetensors). */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const root = dirname(createRequire(import.meta.url).resolve('timernn/package.json'));

/** The interpreter; without one, tests against a real PyTorch are skipped. */
export const python = process.env.TIMERNN_PYTHON;

/** A block of the page by its opening line, such as `js onnx`. */
export function documented(name: string): string {
  const page = readFileSync(join(root, 'docs', 'exchange.md'), 'utf8');
  const block = new RegExp(`^\`\`\`${name}\\n(.*?)^\`\`\`$`, 'ms').exec(page);
  if (block === null) throw new Error(`docs/exchange.md has no block ${name}`);
  return block[1]!;
}

/** Runs a program in a folder; what it prints to stderr is in the error where it fails. */
export async function runPython(folder: string, program: string): Promise<void> {
  await writeFile(join(folder, 'program.py'), program);
  await promisify(execFile)(python!, ['program.py'], { cwd: folder });
}
