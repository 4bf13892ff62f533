import type { ClassCount } from './counts.js';
import { meanOver } from './metric.js';

/** How one class fared. */
export interface ClassResult {
  readonly name: string;
  readonly images: number;
  /** Share of the class's images that were told rightly: its recall. 0 where there are none. */
  readonly top1: number;
}

/** A row a class, in their order. */
export function perClass(names: readonly string[], counts: readonly ClassCount[]): readonly ClassResult[] {
  return names.map((name, label) => {
    const { images, correct } = counts[label] ?? { images: 0, correct: 0 };
    return { name, images, top1: meanOver(images, correct) };
  });
}
