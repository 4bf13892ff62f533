import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { seconds, step } from './output.mjs';
import { run } from './run.mjs';
import { hashInputs, isCurrent, writeStamp } from './stamp.mjs';

const bundleFastify = join('scripts', 'bundle-fastify.mjs');

/**
 * Compiles src/ and test/ into dist/; the published package brings dist/ with it.
 *
 * @param {string} root
 * @param {{ force?: boolean }} options
 */
export async function buildTypeScript(root, { force = false }) {
  const stamp = join(root, 'dist', '.setup-stamp');
  const require = createRequire(join(root, 'package.json'));
  const compiler = require('typescript/package.json').version;
  const inputs = ['src', 'test', 'tsconfig.json', 'package.json', 'package-lock.json', bundleFastify];
  const hash = hashInputs(root, inputs, [compiler]);
  const written = existsSync(join(root, 'dist', 'src', 'index.js'));
  if (!force && written && isCurrent(stamp, hash)) {
    step('typescript', 'built already');
    return;
  }
  // The compiler trusts its own record of what it wrote, whether it is still there or not.
  if (force || !written) await rm(join(root, 'dist', '.tsbuildinfo'), { force: true });
  const start = Date.now();
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  await run('The TypeScript build', process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: root, show: true });
  await run('Bundling fastify', process.execPath, [join(root, bundleFastify)], { cwd: root });
  await storeHelp(root);
  await writeStamp(stamp, hash);
  step('typescript', `built in ${seconds(Date.now() - start)}`);
}

/**
 * Keeps what `resnet-torch --help` prints, so that it need not be made each time.
 *
 * @param {string} root
 */
async function storeHelp(root) {
  const stored = join(root, 'dist', 'src', 'cli', 'help.txt');
  await rm(stored, { force: true });
  const help = await run('Making the help', process.execPath, [join(root, 'bin', 'resnet-torch.js'), '--help']);
  await writeFile(stored, help);
}
