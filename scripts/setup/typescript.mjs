import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { say } from './log.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { digest, isFresh, writeStamp } from './stamp.mjs';

const require = createRequire(import.meta.url);

/** Compiles the TypeScript of a clone; an installed package brings it compiled. */
export async function buildTypescript() {
  if (!existsSync(join(root, 'tsconfig.json')) || !existsSync(join(root, 'test'))) return;
  const stamp = join(root, 'dist', '.built-from');
  const value = digest([join(root, 'src'), join(root, 'test'), join(root, 'tsconfig.json')]);
  if (isFresh(stamp, value)) return;
  say('Compiling TypeScript');
  await run(process.execPath, [join(require.resolve('typescript/package.json'), '..', 'bin', 'tsc'), '-p', root], { cwd: root });
  writeStamp(stamp, value);
}
