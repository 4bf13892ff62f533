import type { RunSummary } from './read-run.js';

/** Something that runs were configured or made with in different ways. */
export interface Difference {
  /** Such as `batchSize`, `data.path` or `versions.libtorch`. */
  readonly name: string;
  /** Of each run, in their order; null where one has none. */
  readonly values: readonly unknown[];
}

/** What differs between runs beside their results: settings, model, data and versions, in this order. None of a single run. */
export function differencesOf(runs: readonly RunSummary[]): readonly Difference[] {
  const known = runs.map(propertiesOf);
  const names = new Set(known.flatMap((properties) => [...properties.keys()]));
  return [...names].flatMap((name) => {
    const values = known.map((properties) => properties.get(name) ?? null);
    return new Set(values.map((value) => JSON.stringify(value))).size > 1 ? [{ name, values }] : [];
  });
}

function propertiesOf({ settings, model, data, versions }: RunSummary): ReadonlyMap<string, unknown> {
  // Of left out files there are notes; class names stand for themselves.
  const { skipped: _, ...source } = data;
  const part = (prefix: string, values: Readonly<Record<string, unknown>>) =>
    Object.entries(values).map(([name, value]) => [`${prefix}${name}`, brief(value)] as const);
  return new Map([
    ...part('', settings),
    ...part('model.', model),
    ...part('data.', source),
    ...part('versions.', versions),
  ]);
}

/** Without the names of parameters, of which a group has up to 161. */
function brief(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || !('parameters' in item)) return item;
    const { parameters, ...rest } = item as Readonly<Record<string, unknown>>;
    return { ...rest, parameters: Array.isArray(parameters) ? parameters.length : parameters };
  });
}
