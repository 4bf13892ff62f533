import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { build } from 'esbuild';
import { runProgram } from './scripts/support/script.js';
import { projectRoot, temporaryDirectory } from './support/paths.js';

/** What an application does first with the package, and how that fails. */
const APPLICATION = `
import { ResNet50, ResnetTorchError } from 'resnet-torch';
import { createServer } from 'resnet-torch/serve';
const model = () => ResNet50.create({ classes: 2, weights: 'none' });
const server = () => createServer({ models: { one: '/nowhere' } });
async function attempt(what) {
  try {
    (await what()).dispose?.();
    return { code: 'works', message: '' };
  } catch (error) {
    return { code: error instanceof ResnetTorchError ? error.code : error.name, message: error.message };
  }
}
Promise.all([attempt(model), attempt(server)]).then((said) => console.log(JSON.stringify(said)));
`;

type Said = readonly { readonly code: string; readonly message: string }[];

const bundles = new Map<string, string>();

before(async () => {
  for (const format of ['esm', 'cjs'] as const) {
    const { outputFiles } = await build({
      stdin: { contents: APPLICATION, resolveDir: projectRoot },
      bundle: true,
      platform: 'node',
      format,
      write: false,
      logLevel: 'error',
    });
    bundles.set(format, String(outputFiles[0]?.text));
  }
});

async function run(t: TestContext, format: string, manifest: object | string | null): Promise<Said> {
  const folder = await temporaryDirectory(t);
  const file = join(folder, 'application/dist', format === 'esm' ? 'main.mjs' : 'main.cjs');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bundles.get(format) ?? '');
  if (manifest !== null) {
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    await writeFile(join(folder, 'application/package.json'), text);
  }
  const { code, stdout, stderr } = await runProgram(process.execPath, [file]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Said;
}

describe('an application whose bundler took the package in', () => {
  for (const format of ['esm', 'cjs']) {
    for (const [where, manifest] of [
      ['with no package.json above it', null],
      ['with the package.json of the application above it', { name: 'application', version: '1.0.0' }],
      ['with a package.json that is none above it', '{ "name": '],
      ['with a package.json of null above it', 'null'],
    ] as const) {
      it(`is told to mark it as external: ${format}, ${where}`, async (t) => {
        const said = await run(t, format, manifest);
        assert.equal(said.length, 2);
        for (const { code, message } of said) {
          assert.equal(code, 'ERR_ADDON_LOAD', message);
          assert.match(message, /it was bundled.*Mark `resnet-torch` as external.*docs\/bundlers\.md/s);
          assert.doesNotMatch(message, /npx resnet-torch setup/, 'which would not help');
        }
      });
    }
  }
});
