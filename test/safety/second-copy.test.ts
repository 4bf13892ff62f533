import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { native, variantToLoad } from '../../src/native/load.js';
import { addonPathOf, bareCopy } from '../native/support/copies.js';
import { projectRoot } from '../support/paths.js';
import { answerOf, program, tinyGround } from './support/programs.js';

const variant = variantToLoad();
const addonPath = addonPathOf(variant);

/** A second copy of the package, whose addon and libtorch are those of this one. */
async function secondCopy(t: TestContext): Promise<string> {
  const root = await bareCopy(t, variant);
  await copyFile(join(projectRoot, addonPath), join(root, addonPath));
  await symlink(join(projectRoot, 'vendor'), join(root, 'vendor'));
  return root;
}

/** A libtorch that is none: libraries of its names with nothing in them. */
async function emptyLibtorch(root: string): Promise<void> {
  const lib = join(root, `vendor/libtorch-${variant}/lib`);
  await mkdir(lib, { recursive: true });
  for (const name of ['libc10.so', 'libtorch_cpu.so']) await writeFile(join(lib, name), '');
}

/** An addon of a copy as a compiler with the headers of another libtorch would have made it: it names that version. */
async function compileForAnother(root: string): Promise<string> {
  const { compiled } = native().libtorchVersions();
  const other = `${compiled.slice(0, -1)}${compiled.endsWith('9') ? '8' : '9'}`;
  const bytes = await readFile(join(projectRoot, addonPath));
  const name = (version: string) => Buffer.from(`\0${version}\0`, 'latin1');
  let found = 0;
  for (let at = bytes.indexOf(name(compiled)); at !== -1; at = bytes.indexOf(name(compiled), at + 1)) {
    name(other).copy(bytes, at);
    found++;
  }
  assert.equal(found, 1, 'the addon names the version that it was compiled for once');
  await writeFile(join(root, addonPath), bytes);
  return other;
}

const errorOf = `
  const errorOf = (call) => {
    try { call(); return null; } catch (error) { return { code: error.code, message: error.message }; }
  };`;

/** What a process says of two copies of the package, this one and another; which is loaded first decides the libtorch. */
function loadBoth(root: string, order: 'this first' | 'other first') {
  type Said = { readonly code: string; readonly message: string } | null;
  const ways = JSON.stringify([projectRoot, root].map((folder) => join(folder, 'dist/src/native/load.js')));
  return answerOf<{ readonly own: Said; readonly other: Said; readonly works: boolean }>(`
    const [own, other] = await Promise.all(${ways}.map((path) => import(path)));
    ${errorOf}
    const said = {};
    if (${order === 'this first'}) said.own = errorOf(own.native);
    said.other = errorOf(other.native);
    if (${order === 'other first'}) said.own = errorOf(own.native);
    // Asked again it says the same, and the one that is loaded computes.
    if (JSON.stringify(errorOf(other.native)) !== JSON.stringify(said.other)) said.other = null;
    const options = { arch: 'resnet50', classes: 3, hidden: [], dropout: 0, dtype: 'float32', device: 'cpu', seed: 1 };
    const model = new (own.native().Model)(options);
    const logits = await model.forward(new Float32Array(3 * 32 * 32), [1, 3, 32, 32], { output: 'logits', compute: 'dtype' });
    console.log(JSON.stringify({ ...said, works: logits.every(Number.isFinite) }));`);
}

describe('a second copy of the package in a process', { skip: process.platform !== 'linux' }, () => {
  for (const order of ['this first', 'other first'] as const) {
    it(`is refused where it was made for another libtorch than the one that came first (${order})`, async (t) => {
      const root = await secondCopy(t);
      const other = await compileForAnother(root);
      const { runtime } = native().libtorchVersions();
      const said = await loadBoth(root, order);
      assert.equal(said.own, null);
      assert.equal(said.other?.code, 'ERR_LIBTORCH_VERSION');
      const message = said.other?.message ?? '';
      assert.ok(message.includes(`built against libtorch ${other} and met libtorch ${runtime}`), message);
      assert.match(message, /another copy.*`npx resnet-torch setup( --device cuda)?`/s);
      assert.equal(said.works, true);
    });
  }

  it('meets the libtorch that is there already, whatever lies in its own folder', async (t) => {
    const root = await bareCopy(t, variant);
    await copyFile(join(projectRoot, addonPath), join(root, addonPath));
    await emptyLibtorch(root);
    const alone = await answerOf<{ readonly code: string } | null>(`
      const { native } = await import(${JSON.stringify(join(root, 'dist/src/native/load.js'))});
      ${errorOf}
      console.log(JSON.stringify(errorOf(native)));`);
    assert.equal(alone?.code, 'ERR_ADDON_LOAD', 'it has nothing of its own to compute with');
    assert.deepEqual(await loadBoth(root, 'this first'), { own: null, other: null, works: true });
  });

  it('works beside the first where both have the same libtorch', async (t) => {
    const ground = await tinyGround(t);
    const root = await secondCopy(t);
    const answer = await answerOf<{ readonly logits: readonly unknown[]; readonly refused: readonly string[] }>(
      program(
        ground,
        `
        const other = await import(${JSON.stringify(join(root, 'dist/src/index.js'))});
        const images = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
        const trained = async (api, name) => {
          const data = await api.openDataset(${JSON.stringify(ground.images)}, { workers: 1 });
          const model = await api.ResNet50.create({ classes: data.classes, weights: 'none', device: 'cpu', seed: 1 });
          await api.train(model, data, { ...options, out: join(out, name) }).result;
          const predictor = await api.Predictor.load(join(out, name), { device: 'cpu', workers: 1 });
          const predictions = await predictor.predict(photo);
          return { logits: [...(await model.forward(images, [1, 3, 64, 64])).data], predictions };
        };
        const logits = await Promise.all([trained(api, 'one'), trained(other, 'two')]);
        const refused = [];
        const mine = await create();
        try { other.train(mine, data, options); } catch (error) {
          refused.push(error.code, String(error instanceof other.ResnetTorchError && !(error instanceof api.ResnetTorchError)));
        }
        console.log(JSON.stringify({ logits, refused }));`,
      ),
    );
    assert.deepEqual(answer.logits[0], answer.logits[1]);
    assert.deepEqual(answer.refused, ['ERR_INVALID_ARGUMENT', 'true']);
  });
});
