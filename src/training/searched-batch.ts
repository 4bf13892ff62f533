import type { RunSettings } from './settings.js';

/**
 * Images at 224 pixels from which on cuDNN's search for algorithms is expected to repay. It takes some 10 seconds on any GPU, since
 * most of that is the host's, and spares 5 to 15% of the GPU's time: it has repaid after 70 to 200 seconds. For a GPU that
 * trains on 2,500 images a second these are 170,000 to 500,000 images, for one of 7,000 they are 500,000 to 1,400,000. The number is
 * where the two meet: no slow GPU misses much, and no fast one searches longer than it gains by. All of these are estimates;
 * `npm run bench:gpu` has a row with a search, which says what it costs and brings on the GPU at hand.
 */
export const SEARCH_FROM_IMAGES = 500_000;

/**
 * Images of the batches for which cuDNN is to search, in a run with so many steps before it; 0 for none. It searches for every
 * shape anew, so only whole batches are worth it; where the whole backbone is frozen, its outputs are mostly cached.
 */
export function searchedBatch(
  model: { readonly device: string; units(): readonly unknown[] },
  settings: Pick<RunSettings, 'batchSize' | 'imageSize' | 'frozenPrefixUnits'>,
  steps: number,
): number {
  const { batchSize, imageSize, frozenPrefixUnits } = settings;
  if (model.device === 'cpu' || frozenPrefixUnits === model.units().length - 1) return 0;
  return steps * batchSize * (imageSize / 224) ** 2 < SEARCH_FROM_IMAGES ? 0 : batchSize;
}
