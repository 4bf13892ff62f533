import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** The folder that holds package.json. */
export const projectRoot = findRoot();

/** Small files that belong to the tests. */
export const fixtures = join(projectRoot, 'test', 'fixtures');

/**
 * The folder of real images and pretrained weights that may lie beside the project, or `null`. Nothing needs it: tests
 * that use it skip, and say so, where it is absent.
 */
export function sharedRoot(): string | null {
  const folder = process.env.RESNET_TORCH_SHARED ?? join(projectRoot, '..', 'shared');
  return existsSync(join(folder, 'data')) ? folder : null;
}

/** A fresh folder that goes when the test ends. */
export async function temporaryDirectory(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
