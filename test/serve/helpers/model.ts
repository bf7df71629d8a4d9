/** A small model that has learned something, and a service with it. */
import { Corpus, LanguageModel, type LayerOptions } from 'timernn';

const TEXT = 'the white whale\nthe sea\n'.repeat(100);

/** Trained for a moment: probabilities that differ from token to token. */
export async function smallModel(layer: LayerOptions = { cell: 'lstm', size: 16 }, seed = 1): Promise<LanguageModel> {
  const corpus = Corpus.fromText(TEXT, { unit: 'char' });
  const model = new LanguageModel({ vocabulary: corpus.vocabulary, embedding: 8, layers: [layer], seed });
  for await (const _ of model.train(corpus, { streams: 4, window: 16, epochs: 3, workers: 1 }));
  return model;
}

/** The events of a stream: names and data. */
export function eventsOf(text: string): { event: string; data: Record<string, unknown> }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}
