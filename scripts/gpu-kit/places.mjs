import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the kit was unpacked: laid out as a clone is. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
