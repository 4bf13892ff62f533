import { copyFile, cp, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Variant } from '../../../src/native/variants.js';
import { projectRoot, temporaryDirectory } from '../../support/paths.js';

/** Where the addon of a variant lies in the package. */
export const addonPathOf = (variant: Variant): string => `addons/${variant}/build/Release/resnet_torch.node`;

/** The package as it is installed, before any set-up: another copy of it on this machine. */
export async function bareCopy(t: TestContext, variant: Variant): Promise<string> {
  const root = await temporaryDirectory(t);
  await copyFile(join(projectRoot, 'package.json'), join(root, 'package.json'));
  await cp(join(projectRoot, 'dist/src'), join(root, 'dist/src'), { recursive: true });
  await symlink(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
  await mkdir(dirname(join(root, addonPathOf(variant))), { recursive: true });
  return root;
}
