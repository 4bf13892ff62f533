import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/paths.js';

/** A process in which work never ends by itself, and takes no notice of its signal. */
async function stubborn(signals: number): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const module = pathToFileURL(join(projectRoot, 'dist/src/cli/interrupt.js')).href;
  const program = `
    import { interruptible } from ${JSON.stringify(module)};
    const work = (signal) => new Promise((resolve) => {
      const wait = setInterval(() => {}, 1000);
      signal.addEventListener('abort', () => { if (${signals === 1}) { clearInterval(wait); resolve('done'); } });
      process.stdout.write('ready');
    });
    await interruptible(work).catch((error) => { process.exitCode = error.exitCode; });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (signals === 2 && text.includes('Stopping')) child.kill('SIGINT');
  });
  child.stdout.once('data', () => child.kill('SIGINT'));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

describe('interruptible', () => {
  it('ends with 130 when work heeds the first Ctrl-C, even if it ends well', async () => {
    assert.deepEqual(await stubborn(1), { code: 130, stderr: '\nStopping; press Ctrl-C again to stop at once.\n' });
  });

  it('ends the process at the second Ctrl-C', async () => {
    assert.equal((await stubborn(2)).code, 130);
  });
});
