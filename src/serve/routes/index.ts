/** Every route of the API, in the order of its documentation: one line each. */
import { ANSWERS } from '../schemas.js';
import { generate } from './generate.js';
import { type Route, route } from './route.js';
import { next, score } from './score.js';
import { sessions } from './sessions.js';

const model = route({
  method: 'GET',
  path: '/v1/model',
  operation: 'model',
  summary: 'What model this is',
  answer: ANSWERS.model,
  run: ({ predictor }) => {
    const { vocabulary, modelHash, precision, weightBytes, spec } = predictor;
    return { unit: vocabulary.unit, vocabularySize: vocabulary.size, modelHash, precision, weightBytes, spec };
  },
});

export const routes: readonly Route[] = [model, score, next, generate, ...sessions];
