/**
 * Predictions over HTTP, for services that bring their own process. Importing this loads neither fastify nor native code.
 *
 * @module resnet-torch/serve
 */

export type { ReloadResult } from './models.js';
export type { AccessEntry, ServerLimits, ServerOptions } from './options.js';
export type { ServedPredictorOptions } from './predictor.js';
export type { ProblemDocument } from './problem.js';
export { createServer, type ListenOptions, type PredictionServer, type ServerAddress } from './server.js';
