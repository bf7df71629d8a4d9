/** Checks that all exchange goes through. Refuses to do: knowing any format. */
import { describe, TimeRNNError } from '../errors.js';
import { LanguageModel } from '../models/language-model.js';
import { awaitHint } from '../options.js';

/** @throws ERR_TIMERNN_OPTION unless `model` is a LanguageModel */
export function expectModel(model: unknown): LanguageModel {
  if (model instanceof LanguageModel) return model;
  throw new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected model to be a LanguageModel, got ${describe(model)}${awaitHint(model)}`,
  );
}
