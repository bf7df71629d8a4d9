/**
 * The tensors of a file from another program while its architecture is worked out: each must have the shape that the others
 * ask for, and none may be left over. Refuses to do: knowing any name; reading data.
 */
import type { TensorInfo } from '../checkpoint/safetensors.js';
import { wrongFile } from '../checkpoint/wrong-file.js';
import { describe } from '../errors.js';

/** What is known of a tensor before it is read. */
type Known = Pick<TensorInfo, 'dtype' | 'shape'>;

const READABLE: readonly string[] = ['F32', 'F64', 'F16', 'BF16'];

/** A shape in a message; a stranger's may be long. */
const shown = (shape: readonly number[]) =>
  shape.length === 0 ? 'a scalar' : `${shape.slice(0, 8).join('×')}${shape.length > 8 ? '×…' : ''}`;

/** Tensors by name, struck off as they are asked for. */
export class TensorSet {
  readonly #left: Map<string, Known>;

  constructor(
    readonly path: string,
    tensors: Iterable<readonly [string, Known]>,
  ) {
    this.#left = new Map(tensors);
  }

  /** Whether a tensor is there that nobody has asked for yet. */
  has(name: string): boolean {
    return this.#left.has(name);
  }

  /**
   * A matrix of any size.
   *
   * @param what - its shape in letters, for the message
   * @throws ERR_TIMERNN_FORMAT where it is missing, or no matrix of floats
   */
  matrix(name: string, what: string): [rows: number, columns: number] {
    const { shape } = this.#take(name, what);
    if (shape.length !== 2) throw wrongFile(this.path, `${name} as ${what}`, shown(shape));
    return shape as [number, number];
  }

  /** @throws ERR_TIMERNN_FORMAT unless it is there, of floats, and of this shape */
  expect(name: string, shape: readonly number[]): void {
    const got = this.#take(name, shown(shape)).shape;
    if (got.join() !== shape.join()) throw wrongFile(this.path, `${name} as ${shown(shape)}`, shown(got));
  }

  /** @throws ERR_TIMERNN_FORMAT where a tensor is left that nobody has asked for */
  expectNothingLeft(what: string): void {
    const [name] = this.#left.keys();
    if (name !== undefined) throw wrongFile(this.path, `only ${what}`, `a tensor ${describe(name)}`);
  }

  /** The first name left that matches. */
  find(pattern: RegExp): string | undefined {
    return [...this.#left.keys()].find((name) => pattern.test(name));
  }

  #take(name: string, what: string): Known {
    const found = this.#left.get(name);
    if (found === undefined) throw wrongFile(this.path, `the tensor ${name} (${what})`, 'none of that name');
    if (!READABLE.includes(found.dtype)) {
      throw wrongFile(this.path, `${name} as one of ${READABLE.join(', ')}`, found.dtype);
    }
    this.#left.delete(name);
    return found;
  }
}
