import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/paths.js';
import { program, tinyGround } from './support/programs.js';

const moduleOf = (path: string): string => JSON.stringify(pathToFileURL(join(projectRoot, 'dist/src', path)).href);

/** Takes all descriptors that the process may have, does the work, and gives them back. */
const EXHAUSTED = `
  const { closeSync, openSync } = await import('node:fs');
  const exhausted = async (work) => {
    const taken = [];
    try {
      for (;;) taken.push(openSync('/dev/null'));
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
    }
    try {
      return await work();
    } finally {
      for (const descriptor of taken) closeSync(descriptor);
    }
  };
  const codeOf = (promise) => promise.then(() => 'none', (error) => error.code + ': ' + error.message);
`;

describe('a failure of the system', () => {
  it('is not taken for a broken image, and nothing is left out for it', async (t) => {
    const source = program(
      await tinyGround(t),
      `${EXHAUSTED}
      const { native } = await import(${moduleOf('native/load.js')});
      const { openLoader } = await import(${moduleOf('data/loader.js')});
      const { scanFiles } = await import(${moduleOf('data/check.js')});
      const model = await create();
      await model.save(out + '/model.safetensors');
      const predictor = await Predictor.load(out + '/model.safetensors', { workers: 1, imageSize: 32 });
      await predictor.predict(photo);
      await scanFiles([photo], { workers: 1 });
      const files = new (native().FileList)([photo, photo], new Int32Array(2));
      const crop = { kind: 'center', size: 32, resize: 32, scale: [1, 1], ratio: [1, 1], flip: 0 };
      const load = async (skipCorrupt) => {
        const pass = { files, crop, batchSize: 2, epoch: 0, seed: 0, training: false, workers: 2, skipCorrupt };
        const loader = openLoader(pass);
        try {
          return (await loader.next('uint8')).count;
        } finally {
          loader.dispose();
        }
      };
      await load(true);
      const told = await exhausted(async () => ({
        scan: await codeOf(scanFiles([photo, photo], { workers: 1 })),
        load: await codeOf(load(false)),
        loadSkipping: await codeOf(load(true)),
        predict: await codeOf(predictor.predict(photo)),
        predictSkipping: await codeOf(predictor.predict([photo], { skipCorrupt: true })),
      }));
      const after = [await load(true), (await predictor.predict([photo])).length];
      console.log(JSON.stringify({ told, after }));
      predictor.dispose();`,
    );
    const command = 'ulimit -n 128; exec "$0" --input-type=module --eval "$1"';
    const child = spawn('bash', ['-c', command, process.execPath, source], {
      env: { ...process.env, OMP_NUM_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = await ended;
    assert.equal(code, 0, stderr);
    const { told, after } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    for (const [what, message] of Object.entries(told)) {
      assert.match(String(message), /^ERR_FILE: .*\.jpg.*Too many open files/, what);
    }
    assert.deepEqual(after, [2, 1]);
  });
});
