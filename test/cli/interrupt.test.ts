import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { StopSignal } from '../../src/cli/interrupt.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { readEvents, tinyFolder } from '../training/support/tiny.js';
import { resnetTorch } from './support/command.js';

/** A process in which work never ends by itself, and takes no notice of its signal. */
async function stubborn(
  signals: number,
  name: StopSignal = 'SIGINT',
): Promise<{ readonly code: number | null; readonly stderr: string }> {
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
    if (signals === 2 && text.includes('Stopping')) child.kill(name);
  });
  child.stdout.once('data', () => child.kill(name));
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

describe('interruptible, told by a signal', () => {
  for (const [name, code] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`ends with ${code} for ${name}, and does not speak of Ctrl-C`, async () => {
      const stderr = `Stopping, as ${name} asks for; another signal stops at once.\n`;
      assert.deepEqual(await stubborn(1, name), { code, stderr });
      assert.equal((await stubborn(2, name)).code, code);
    });
  }
});

describe('Ctrl-C in resnet-torch train', () => {
  const small = ['--image-size', '32', '--batch-size', '4', '--workers', '1', '--threads', '1', '--weights', 'none'];

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`leaves a checkpoint that loads and an aborted event, and exits with ${code} for ${signal}`, async (t) => {
      const data = await tinyFolder(t);
      const out = join(await temporaryDirectory(t), 'run');
      let sent = false;
      const args = ['train', data, '--out', out, '--epochs', '500', '--json', '--strategy', 'full', ...small];
      const stopped = await resnetTorch(args, {
        onOutput: (text, kill) => {
          // In the middle of an epoch, before any checkpoint.
          if (sent || !text.includes('"type":"step"')) return;
          sent = true;
          kill(signal);
        },
      });
      assert.equal(stopped.code, code, stopped.stderr);
      assert.match(stopped.stderr, /Stopping.*Stopped in epoch \d+, after step \d+; .*last\.safetensors/s);
      assert.equal(/Ctrl-C/.test(stopped.stderr), signal === 'SIGINT');
      const events = await readEvents(out);
      const last = events.at(-1);
      assert.ok(last?.type === 'aborted' && last.checkpoint === join(out, 'checkpoints', 'last.safetensors'));
      assert.ok(events.some((event) => event.type === 'checkpoint' && event.step === last.step));
      using model = await ResNet50.load(last.checkpoint, { device: 'cpu' });
      assert.deepEqual(model.classes, ['class 0', 'class 1', 'class 2']);
      assert.equal(model.strategy, 'full');
    });
  }
});
