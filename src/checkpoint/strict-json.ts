/**
 * JSON for the headers of files from strangers: objects become Maps (no prototype to pollute), a name that occurs twice
 * is an error (JSON.parse keeps the last), and so is nesting that a header never has.
 * Refuses to do: anything beyond RFC 8259.
 */

/** A JSON value, objects as Maps. */
export type StrictJson = null | boolean | number | string | StrictJson[] | Map<string, StrictJson>;

const DEEPEST = 16;

/** @throws SyntaxError with the offset (in UTF-16 units) of what is wrong */
export function parseStrictJson(text: string): StrictJson {
  const parser = new Parser(text);
  return parser.document();
}

class Parser {
  #at = 0;
  readonly #number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

  constructor(private readonly text: string) {}

  document(): StrictJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.text.length) throw this.#unexpected('the end');
    return value;
  }

  #unexpected(expected: string): SyntaxError {
    const got = this.#at < this.text.length ? JSON.stringify(this.text[this.#at]) : 'the end';
    return new SyntaxError(`expected ${expected} at offset ${this.#at}, got ${got}`);
  }

  #space(): void {
    for (; this.#at < this.text.length; this.#at++) {
      const unit = this.text.charCodeAt(this.#at);
      if (unit !== 32 && unit !== 10 && unit !== 13 && unit !== 9) return;
    }
  }

  /** Takes the character if it comes next, after white space. */
  #take(character: string): boolean {
    this.#space();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): StrictJson {
    if (depth > DEEPEST) throw this.#unexpected(`at most ${DEEPEST} levels`);
    this.#space();
    const first = this.text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"') return this.#string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (!this.text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    this.#number.lastIndex = this.#at;
    const digits = this.#number.exec(this.text)?.[0];
    if (digits === undefined) throw this.#unexpected('a JSON value');
    this.#at += digits.length;
    return Number(digits);
  }

  #object(depth: number): Map<string, StrictJson> {
    const object = new Map<string, StrictJson>();
    this.#at++;
    if (this.#take('}')) return object;
    do {
      this.#space();
      if (this.text[this.#at] !== '"') throw this.#unexpected('a name');
      const start = this.#at;
      const name = this.#string();
      if (object.has(name)) {
        throw new SyntaxError(
          `expected every name once, got ${JSON.stringify(name.slice(0, 60))} again at offset ${start}`,
        );
      }
      if (!this.#take(':')) throw this.#unexpected('":"');
      object.set(name, this.#value(depth + 1));
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#unexpected('"," or "}"');
    return object;
  }

  #array(depth: number): StrictJson[] {
    const array: StrictJson[] = [];
    this.#at++;
    if (this.#take(']')) return array;
    do array.push(this.#value(depth + 1));
    while (this.#take(','));
    if (!this.#take(']')) throw this.#unexpected('"," or "]"');
    return array;
  }

  #string(): string {
    const start = this.#at;
    for (let i = start + 1; i < this.text.length; i++) {
      const unit = this.text.charCodeAt(i);
      if (unit === 92) i++;
      else if (unit === 34) {
        this.#at = i + 1;
        // The inside (escapes, control characters) is JSON.parse's to judge.
        return JSON.parse(this.text.slice(start, i + 1)) as string;
      }
    }
    throw new SyntaxError(`expected the string at offset ${start} to end, got the end`);
  }
}
