/**
 * timernn/fastify: a model behind HTTP, as a plugin of a Fastify app.
 *
 * @packageDocumentation
 */
export type { ServedModel, ServedPredictor, ServedSession, ServedStepOptions } from './engine.js';
export { timernn, timernn as default } from './plugin.js';
export type { ServiceLimits, ServiceOptions } from './types.js';
