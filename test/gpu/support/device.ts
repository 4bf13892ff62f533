import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** What NVIDIA's driver puts there, on Linux and in Windows' subsystem for it. */
const driverFiles = ['/dev/nvidiactl', '/dev/dxg'];

/** For the `skip` of a test that needs a device. */
export const noDevice: string | false = driverFiles.some((path) => existsSync(path)) ? false : 'no GPU: not run';

/** Where compute-sanitizer is, or `null`. */
export async function findComputeSanitizer(): Promise<string | null> {
  const candidates = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer'];
  for (const candidate of candidates) {
    const found = await promisify(execFile)(candidate, ['--version']).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return null;
}
