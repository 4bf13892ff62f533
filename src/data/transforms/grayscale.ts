import { requireNumber } from '../../options.js';
import type { TransformRow } from './transform-row.js';

/** The probability, 0 to 1, that a view loses its colours: torchvision's `RandomGrayscale(p)`. */
export const grayscale: TransformRow<number> = {
  check: (value, name) => requireNumber(value, name, { min: 0, max: 1 }) || null,
  native: (probability) => ({ name: 'grayscale', probability }),
  describe: (value) => `grayscale ${value}`,
};
