import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './log.mjs';
import { root } from './root.mjs';
import { run } from './run.mjs';
import { digest, isFresh, writeStamp } from './stamp.mjs';

/** `npm ci`, where this is a clone whose node_modules is missing or older than the lock file. */
export async function installDependencies() {
  const lock = join(root, 'package-lock.json');
  if (!existsSync(lock)) return; // an installed package: its dependencies came with it
  const stamp = join(root, 'node_modules', '.resnet-torch-lock');
  const value = digest([lock]);
  if (isFresh(stamp, value)) return;
  say('Installing dependencies (npm ci)');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, quiet: true });
  writeStamp(stamp, value);
}
