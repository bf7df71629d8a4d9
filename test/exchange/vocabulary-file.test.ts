/** Where the vocabulary of an imported model may come from. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { exportPyTorch, LanguageModel, Vocabulary } from 'timernn';
import { writeSafetensors } from '#src/checkpoint/safetensors.js';
import { readVocabulary } from '#src/exchange/vocabulary-file.js';
import { folderOf, isCode } from '../models/helpers/models.js';

const WORDS = ['<eos>', 'the', '<unk>', 'whale'];

test('out of a model of ours and out of an export, with all that it says', async (t) => {
  const folder = await folderOf(t);
  const vocabulary = Vocabulary.fromText('The whale, the sea', {
    unit: 'word',
    lowercase: true,
    separatePunctuation: true,
  });
  const model = new LanguageModel({ vocabulary, embedding: 3, layers: [{ cell: 'rnn', size: 4 }] });
  await model.save(join(folder, 'm.safetensors'));
  await exportPyTorch(model, join(folder, 'p.safetensors'));
  for (const name of ['m', 'p'])
    t.is((await readVocabulary(join(folder, `${name}.safetensors`))).hash, vocabulary.hash);
});

test('a list of tokens: lines of a text, or an array of JSON; in the order of the ids', async (t) => {
  const folder = await folderOf(t);
  const expected = Vocabulary.fromTokens(WORDS, { unit: 'word', lowercase: true }).hash;
  const files = {
    'words.txt': `${WORDS.join('\n')}\n`,
    'open.txt': WORDS.join('\n'),
    'windows.vocab': `\ufeff${WORDS.join('\r\n')}\r\n`,
    'words.JSON': JSON.stringify(WORDS),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, text);
    t.is((await readVocabulary(path, { unit: 'word', lowercase: true })).hash, expected, name);
    await t.throwsAsync(
      readVocabulary(path),
      isCode('ERR_TIMERNN_OPTION', /unit to be 'char' or 'word' with a list of tokens/),
    );
  }
});

test('the JSON form of a vocabulary says its unit itself; characters may be a line end there', async (t) => {
  const path = join(await folderOf(t), 'v.json');
  const vocabulary = Vocabulary.fromText('a\nb', { unit: 'char' });
  await writeFile(path, JSON.stringify(vocabulary));
  t.is((await readVocabulary(path)).hash, vocabulary.hash);
  await t.throwsAsync(
    readVocabulary(path, { unit: 'word' }),
    isCode('ERR_TIMERNN_OPTION', /unit to be left out, .*, got 'word'/),
  );
  await writeFile(path, JSON.stringify([...(vocabulary.toJSON().unit === 'char' ? ['<unk>', '\n', 'a', 'b'] : [])]));
  t.is((await readVocabulary(path, { unit: 'char' })).hash, vocabulary.hash);
});

test('files that hold no vocabulary', async (t) => {
  const folder = await folderOf(t);
  const path = (name: string) => join(folder, name);
  await writeFile(path('broken.json'), '["a"');
  await writeFile(path('number.json'), '7');
  await writeFile(path('numbers.json'), '[1, 2]');
  await writeFile(path('twice.txt'), 'a\na\n');
  await writeFile(path('latin.txt'), Uint8Array.of(0xe4, 0x0a));
  await writeSafetensors(path('bare.safetensors'), []);
  await writeSafetensors(path('hash.safetensors'), [], {
    vocabulary: JSON.stringify(Vocabulary.ofSize(3)),
    vocabularyHash: 'x',
  });
  await mkdir(path('folder.txt'));
  const refused: [name: string, code: 'FILE' | 'FORMAT' | 'VOCABULARY', says: RegExp][] = [
    ['broken.json', 'VOCABULARY', /to be JSON, got an error/],
    ['number.json', 'VOCABULARY', /vocabulary to be an object, got 7/],
    ['numbers.json', 'VOCABULARY', /token 0 of the vocabulary to be a string, got 1/],
    ['twice.txt', 'VOCABULARY', /tokens of the vocabulary to be different/],
    ['latin.txt', 'VOCABULARY', /to be UTF-8/],
    ['bare.safetensors', 'FORMAT', /a "vocabulary" entry in its metadata, got none/],
    ['hash.safetensors', 'FORMAT', /the vocabulary hash .*, got "x"/],
    ['none.txt', 'FILE', /no such file/],
    ['folder.txt', 'FILE', /got a folder or a device/],
  ];
  for (const [name, code, says] of refused) {
    const options = /numbers|\.txt/.test(name) ? ({ unit: 'word' } as const) : undefined;
    await t.throwsAsync(readVocabulary(path(name), options), isCode(`ERR_TIMERNN_${code}`, says), name);
  }
});
