import { UNIT_NAMES } from '../model/units.js';
import type { RunSettings } from './settings.js';

/**
 * Images at 224 pixels from which on cuDNN's search for algorithms is expected to repay: it takes some 10 seconds, and spares
 * some 5% of what a GPU that trains on 2,500 images a second spends. Both are estimates.
 */
export const SEARCH_FROM_IMAGES = 500_000;

/**
 * Images of the batches for which cuDNN is to search, in a run with so many steps before it; 0 for none. It searches for every
 * shape anew, so only whole batches are worth it; where the whole backbone is frozen, its outputs are mostly cached.
 */
export function searchedBatch(
  device: string,
  settings: Pick<RunSettings, 'batchSize' | 'imageSize' | 'frozenPrefixUnits'>,
  steps: number,
): number {
  const { batchSize, imageSize, frozenPrefixUnits } = settings;
  if (device === 'cpu' || frozenPrefixUnits === UNIT_NAMES.length - 1) return 0;
  return steps * batchSize * (imageSize / 224) ** 2 < SEARCH_FROM_IMAGES ? 0 : batchSize;
}
