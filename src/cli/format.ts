/** Numbers and times as people read them. Pure functions. */
import type { TrainOptions } from '../train/types.js';

const integers = new Intl.NumberFormat('en-GB');

/** 1234567 → `1,234,567`. */
export const count = (value: number): string => integers.format(Math.round(value));

/** 52134 → `52.1k`. */
export function compact(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)}G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)}k`;
  return value.toFixed(0);
}

/** Seconds → `0.7 s`, `12 s`, `1:05`, `2:03:04`. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Bytes → `340 B`, `1.4 MB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} kB`;
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(2)} GB`;
}

/** Perplexity with as many digits as mean something. */
export function perplexity(value: number): string {
  if (!Number.isFinite(value)) return '∞';
  return value < 100 ? value.toFixed(2) : value < 1000 ? value.toFixed(1) : count(value);
}

/** Nats a token → bits a token. */
export const bits = (nats: number): number => nats / Math.LN2;

/** `bits/char`, `bits/word`, `bits/token`. */
export const bitsUnit = (unit: string): string => `bits/${unit}`;

/** What one token is called, in the plural. */
export const tokenNoun = (unit: string): string => (unit === 'char' ? 'characters' : `${unit}s`);

/** A word for the shell: quoted only where it must be. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/** Text of a model or of its file may hold anything: control characters must not reach a terminal. Line breaks stay. */
export const printable = (text: string): string => text.replace(CONTROL, ' ');

const ANSI = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', blue: '34', cyan: '36' };

/** Colours a text, or leaves it alone. */
export type Paint = (style: keyof typeof ANSI, text: string) => string;

export const plain: Paint = (_style, text) => text;
export const ansi: Paint = (style, text) => `\u001b[${ANSI[style]}m${text}\u001b[0m`;

/** `lstm`, `rnn relu`, `gru reset-before`: a layer's cell with what is not its default. */
export function cellName(layer: { cell?: unknown; activation?: unknown; resetAfter?: unknown } | null): string {
  const { cell, activation = 'tanh', resetAfter = true } = layer ?? {};
  return `${cell}${activation === 'tanh' ? '' : ` ${activation}`}${resetAfter === false ? ' reset-before' : ''}`;
}

/** `adam, averaged after update 200`. */
export function optimizerWords(optimizer: TrainOptions['optimizer'] = 'sgd'): string {
  if (typeof optimizer === 'string') return optimizer;
  const { name, averageFrom } = optimizer;
  if (averageFrom === undefined) return name;
  const since =
    averageFrom === 'non-monotonic' ? 'once held-out text gets no better' : `after update ${count(averageFrom)}`;
  return `${name}, averaged ${since}`;
}
