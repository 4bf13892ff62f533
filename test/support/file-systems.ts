import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A file system of its own that is read-only, or holds so many bytes, until the test ends. Null, and the test is skipped,
 * where this process may not mount one.
 */
export async function smallFileSystem(t: TestContext, kind: 'ro' | number): Promise<string | null> {
  const place = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  const options = kind === 'ro' ? 'ro,size=1m' : `size=${kind}`;
  try {
    await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]);
  } catch {
    await rm(place, { recursive: true });
    t.skip('a file system cannot be mounted here');
    return null;
  }
  t.after(async () => {
    await run('umount', [place]);
    await rm(place, { recursive: true });
  });
  return place;
}
