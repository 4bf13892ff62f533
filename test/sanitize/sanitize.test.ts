import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { findVips } from '../../src/native/load.js';
import { nativeFolder, nativeSources } from '../native/support/programs.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';

const native = join(projectRoot, 'native');

/** Everything below native/ that needs no libtorch: sanitizers want all of a program's code compiled for them. */
function sources(): readonly string[] {
  return [...nativeFolder('data'), ...nativeSources('core', ['executor', 'cores_turn', 'pages', 'available_memory'])];
}

/** Noise as JPEGs, a PNG among them, and a file that is none. */
async function images(folder: string): Promise<string> {
  const paths: string[] = [];
  for (let i = 0; i < 24; i++) {
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    const picture = sharp({ create: { width: 90 + i, height: 70, channels: 3, background: '#888', noise } });
    const path = join(folder, `${i}.${i === 5 ? 'png' : 'jpg'}`);
    await (i === 5 ? picture.png() : picture.jpeg()).toFile(path);
    paths.push(path);
  }
  const broken = join(folder, 'broken.jpg');
  await writeFile(broken, 'no image');
  const list = join(folder, 'files.txt');
  await writeFile(list, [...paths, broken].join('\n'));
  return list;
}

describe('the loader and the executor under sanitizers', () => {
  for (const kind of ['address,undefined', 'thread']) {
    it(`-fsanitize=${kind} finds nothing`, async (t) => {
      const folder = await temporaryDirectory(t);
      const program = join(folder, 'stress');
      const flags = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-Werror', `-fsanitize=${kind}`];
      execFileSync(
        process.env.CXX ?? 'c++',
        [
          ...flags,
          ...(kind === 'thread' ? [] : ['-fno-sanitize-recover=all']),
          `-I${native}`,
          join(projectRoot, 'test', 'sanitize', 'stress.cc'),
          ...sources(),
          '-o',
          program,
          '-ljpeg',
          '-ldl',
          '-pthread',
        ],
        { stdio: 'inherit' },
      );
      // libvips is not compiled for ThreadSanitizer, which would then report what it cannot see.
      const vips = kind === 'thread' ? null : findVips();
      const list = await images(folder);
      const result = spawnSync(program, vips === null ? [list] : [list, vips], {
        encoding: 'utf8',
        cwd: folder,
        env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'halt_on_error=1' },
      });
      assert.equal(result.status, 0, result.stderr);
      assert.match(result.stdout, /executor 400 jobs/);
    });
  }
});
