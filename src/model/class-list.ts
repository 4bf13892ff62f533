import { invalidArgument, requireNumber } from '../options.js';

/** Names in the order of the outputs: those given, or the indices of so many. */
export function classNames(classes: number | readonly string[]): readonly string[] {
  if (typeof classes === 'number') {
    requireNumber(classes, 'classes', { min: 1, integer: true });
    return Array.from({ length: classes }, (_, index) => String(index));
  }
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every((name) => typeof name === 'string')) {
    throw invalidArgument('classes must be a number of classes or an array of their names.');
  }
  const twice = classes.find((name, index) => classes.indexOf(name) !== index);
  if (twice !== undefined) throw invalidArgument(`classes holds ${JSON.stringify(twice)} twice.`);
  return Object.freeze([...classes]);
}
