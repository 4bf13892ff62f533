import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cudaHost } from '../../../src/native/variants.js';
import { toolkit } from '../../cuda/support/build.js';

/** For the `skip` of a test that needs a device. */
export const noDevice: string | false = cudaHost().deviceSeen ? false : 'no GPU: not run';

/** Where compute-sanitizer is, or `null`. */
export async function findComputeSanitizer(): Promise<string | null> {
  for (const candidate of ['compute-sanitizer', join(toolkit ?? '', 'bin', 'compute-sanitizer')]) {
    const found = await promisify(execFile)(candidate, ['--version']).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return null;
}
