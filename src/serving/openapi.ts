import { ARCHITECTURE_NAMES, architectureOf } from '../model/architecture.js';
import { packageVersion } from '../version.js';
import type { ServerLimits } from './options.js';
import { PROBLEM_NAMES, type ProblemName, problemStatus, problemType } from './problem.js';

/** How many an architecture has, from the fewest to the most. */
const FEATURES = ARCHITECTURE_NAMES.map((name) => architectureOf(name).features).sort((a, b) => a - b);

type Json = Readonly<Record<string, unknown>>;

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

/** The problems of each route beside those that any can meet. */
const PREDICT_PROBLEMS: readonly ProblemName[] = PROBLEM_NAMES.filter(
  (name) => !['not-found', 'method-not-allowed', 'expectation-failed', 'headers-too-large'].includes(name),
);
const ANY_PROBLEMS: readonly ProblemName[] = ['bad-request', 'wrong-host', 'shutting-down'];
const MODEL_PROBLEMS: readonly ProblemName[] = [...ANY_PROBLEMS, 'bad-query', 'unknown-model', 'not-ready'];

/** What the server takes and answers, in OpenAPI 3.1. */
export function openApiDocument(limits: Required<ServerLimits>): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'resnet-torch',
      version: packageVersion(),
      description: 'Labels images with ResNets that were fine-tuned.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths: {
      '/v1/predict': { post: predictOperation(limits) },
      '/v1/model': { get: modelOperation() },
      '/healthz': { get: plainOperation('isAlive', 'Whether the process answers', 'Status') },
      '/readyz': {
        get: {
          ...plainOperation('isReady', 'Whether all models are loaded', 'Status', ['not-ready']),
        },
      },
      '/metrics': {
        get: {
          operationId: 'metrics',
          summary: 'Figures for Prometheus',
          responses: {
            200: { description: 'Its text format', content: { 'text/plain': text } },
            ...problems(ANY_PROBLEMS),
          },
        },
      },
    },
    components: { schemas: schemas() },
  };
}

const text: Json = { schema: { type: 'string' } };
const bytes: Json = { schema: { type: 'string', format: 'binary' } };
const modelParameter: Json = {
  name: 'model',
  in: 'query',
  description: 'Name of a model; default: the first that the server was given',
  schema: { type: 'string' },
};

function predictOperation({ maxBodyBytes, maxImages, maxPixels }: Required<ServerLimits>): Json {
  return {
    operationId: 'predict',
    summary: 'Labels one image or several',
    description:
      `JPEG, PNG, WebP, GIF, TIFF and AVIF, of ${maxPixels} pixels at most, ${maxImages} images and ` +
      `${maxBodyBytes} bytes a request at most.`,
    parameters: [
      modelParameter,
      {
        name: 'topK',
        in: 'query',
        description: 'Likeliest classes of each image; default 5, or all where there are fewer',
        schema: { type: 'integer', minimum: 1 },
      },
      {
        name: 'features',
        in: 'query',
        description: 'Whether to answer the features before the head, too, as many as the architecture has',
        schema: { type: 'boolean', default: false },
      },
    ],
    requestBody: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            properties: { image: { type: 'array', items: { type: 'string', format: 'binary' }, maxItems: maxImages } },
          },
        },
        'image/*': bytes,
        'application/octet-stream': bytes,
      },
    },
    responses: { 200: jsonResponse('Labels, in the order of the images', 'Answer'), ...problems(PREDICT_PROBLEMS) },
  };
}

function modelOperation(): Json {
  const body = { oneOf: [reference('Models'), reference('Model')] };
  return {
    operationId: 'model',
    summary: 'What a model knows, or all of them',
    parameters: [{ ...modelParameter, description: 'Name of a model; default: all' }],
    responses: {
      200: { description: 'One model by name, or all', content: { 'application/json': { schema: body } } },
      ...problems(MODEL_PROBLEMS),
    },
  };
}

function plainOperation(operationId: string, summary: string, schema: string, failures: ProblemName[] = []): Json {
  const responses = { 200: jsonResponse('It does', schema), ...problems([...ANY_PROBLEMS, ...failures]) };
  return { operationId, summary, responses };
}

function jsonResponse(description: string, schema: string): Json {
  return { description, content: { 'application/json': { schema: reference(schema) } } };
}

/** A response for each status, whose description names the problems that have it. */
function problems(names: readonly ProblemName[]): Json {
  const byStatus = new Map<number, ProblemName[]>();
  for (const name of names) {
    const status = problemStatus(name);
    byStatus.set(status, [...(byStatus.get(status) ?? []), name]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [
      status,
      {
        description: found.map(problemType).join(', '),
        ...([429, 503].includes(status) ? { headers: { 'Retry-After': retryAfter } } : {}),
        content: { 'application/problem+json': { schema: reference('Problem') } },
      },
    ]),
  );
}

const retryAfter: Json = { description: 'Seconds', schema: { type: 'integer', minimum: 1 } };

function schemas(): Json {
  return {
    Answer: record({
      model: { type: 'string' },
      images: { type: 'array', items: reference('Image') },
    }),
    Image: record(
      { predictions: { type: 'array', items: reference('Prediction'), description: 'Likeliest first' } },
      { features: { type: 'array', items: { type: 'number' }, minItems: FEATURES[0], maxItems: FEATURES.at(-1) } },
    ),
    Prediction: record({
      label: { type: 'string' },
      index: { type: 'integer', minimum: 0 },
      probability: { type: 'number', minimum: 0, maximum: 1 },
    }),
    Models: record({ default: { type: 'string' }, models: { type: 'array', items: reference('Model') } }),
    Model: record({
      name: { type: 'string' },
      arch: { type: 'string', enum: ARCHITECTURE_NAMES },
      classes: { type: 'array', items: { type: 'string' } },
      input: record({
        imageSize: { type: 'integer', description: 'Side of the square that the network sees, pixels' },
        resize: { type: 'integer', description: 'Short side before the centre crop, pixels' },
        precision: { type: 'string' },
        device: { type: 'string' },
      }),
      loadedAt: { type: 'string', format: 'date-time' },
    }),
    Status: record({ status: { type: 'string' } }),
    Problem: record(
      {
        type: { type: 'string', format: 'uri' },
        title: { type: 'string' },
        status: { type: 'integer' },
        detail: { type: 'string' },
      },
      { image: { type: 'integer', minimum: 0, description: 'The image that the problem lies in, from 0' } },
    ),
  };
}

/** An object with these properties and, where they are given, the optional ones; no others. */
function record(required: Json, optional: Json = {}): Json {
  return {
    type: 'object',
    properties: { ...required, ...optional },
    required: Object.keys(required),
    additionalProperties: false,
  };
}
