import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../package-root.js';

/** The text of a file that the package brings along. @param path from the folder of package.json */
export async function readPackageFile(path: string): Promise<string> {
  return readFile(join(packageRoot(), path), 'utf8');
}
