import type { Json } from './trace.js';

/** Computed numbers, by the name that they have; all others are counted, given or the same by definition. */
const COMPUTED = new Set(['loss', 'lossSum', 'probability']);

/** Where and how two traces differ, at most so many times. */
const MOST = 20;

type Record_ = { readonly [key: string]: Json };

/**
 * Compares what was traced with what was expected: in all, or, with a tolerance, computed numbers within it (relative; a
 * digest's relative to its norm) and everything else in all.
 */
export function differences(actual: Json, expected: Json, tolerance: number): readonly string[] {
  const found: string[] = [];
  const tell = (path: string, a: unknown, e: unknown): void => {
    if (found.length < MOST) found.push(`${path}: ${show(a)}, expected ${show(e)}`);
  };
  const walk = (a: Json | undefined, e: Json | undefined, path: string, scale: number | null): void => {
    if (typeof a === 'number' && typeof e === 'number' && scale !== null) {
      if (!(Math.abs(a - e) <= tolerance * scale)) tell(path, a, e);
    } else if (isObject(a) && isObject(e)) {
      for (const key of new Set([...Object.keys(e), ...Object.keys(a)])) {
        walk(a[key], e[key], `${path}.${key}`, scaleOf(path, key, e));
      }
      if (Object.keys(a).join() !== Object.keys(e).join()) tell(`${path}: order`, Object.keys(a), Object.keys(e));
    } else if (Array.isArray(a) && Array.isArray(e)) {
      if (a.length !== e.length) tell(`${path}.length`, a.length, e.length);
      for (let i = 0; i < Math.min(a.length, e.length); i++) walk(a[i], e[i], `${path}[${i}]`, null);
    } else if (!Object.is(a, e)) tell(path, a, e);
  };
  walk(actual, expected, '', null);
  return found;
}

function isObject(value: Json | undefined): value is Record_ {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What the difference of a computed number is measured by; null for a number that must be the same. */
function scaleOf(path: string, key: string, of: Record_): number | null {
  const value = of[key];
  if (typeof value !== 'number') return null;
  if (typeof of.norm === 'number' && (key === 'norm' || key === 'sum')) return of.norm;
  return COMPUTED.has(key) || path.endsWith('.drift') ? Math.abs(value) : null;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
