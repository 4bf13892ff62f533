import { nearest } from '../options.js';
import { clip, Problem } from './problem.js';

/** What the query of a request asks for. */
export interface PredictQuery {
  readonly model: string | undefined;
  readonly topK: number | undefined;
  readonly features: boolean;
}

const PREDICT_NAMES = ['model', 'topK', 'features'] as const;

/** @throws Problem `bad-query` naming the parameter */
export function readPredictQuery(query: unknown): PredictQuery {
  const { model, topK, features } = readQuery(query, PREDICT_NAMES);
  return { model, topK: readTopK(topK), features: readFlag('features', features) };
}

/** @throws Problem `bad-query` naming the parameter */
export function readModelQuery(query: unknown): string | undefined {
  return readQuery(query, ['model']).model;
}

function readQuery<T extends string>(query: unknown, known: readonly T[]): { readonly [K in T]?: string } {
  const entries = Object.entries(query as Record<string, unknown>);
  for (const [name, value] of entries) {
    if (!(known as readonly string[]).includes(name)) {
      const near = nearest(name, known);
      const hint = near === undefined ? `It takes ${known.join(', ')}.` : `Did you mean ${near}?`;
      throw new Problem('bad-query', `The query has no ${JSON.stringify(clip(name, 100))}. ${hint}`);
    }
    if (typeof value !== 'string') throw new Problem('bad-query', `${name} is given more than once.`);
  }
  return Object.fromEntries(entries) as { [K in T]?: string };
}

function readTopK(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw new Problem('bad-query', `topK takes a whole number of 1 or more, not ${JSON.stringify(clip(text, 100))}.`);
  }
  return Number(text);
}

function readFlag(name: string, text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new Problem('bad-query', `${name} takes true or false, not ${JSON.stringify(clip(text, 100))}.`);
}
