import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let version: string | undefined;

/** The version that the package's own package.json names. */
export function packageVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return (
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      version: string;
    }
  ).version;
}
