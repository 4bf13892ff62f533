import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import type { ResNet50 } from '../../src/model/resnet50.js';
import { train } from '../../src/training/train.js';
import { type Ground, program, runProcess, tinyGround } from '../safety/support/programs.js';
import { differences, readEvents, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

const options = { ...tinyOptions, cache: 'off', epochs: 4 } as const;

/** A run that writes a checkpoint after each epoch, and is killed by itself where `kill` says so. */
function killed({ images, out }: Ground, kill: string) {
  return program(
    { images, out },
    `
    import { readdirSync } from 'node:fs';
    import files from 'node:fs/promises';
    import { syncBuiltinESMExports } from 'node:module';
    const die = () => process.kill(process.pid, 'SIGKILL');
    /** Dies before a file is put in the place \`name\` for the \`time\`th time. */
    const dieBefore = (name, time) => {
      const rename = files.rename;
      let times = 0;
      files.rename = async (from, to) => {
        if (to.endsWith(name) && ++times === time) die();
        return rename(from, to);
      };
      syncBuiltinESMExports();
    };
    // By this clock each epoch takes an hour, and writing no time.
    let clock = 0;
    performance.now = () => clock;
    const onEpoch = async ({ epoch }) => { clock += 3_600_000; ${kill} };
    const model = await create();
    await train(model, data, { ...options, epochs: 4, out: join(out, 'run'), onEpoch }).result;`,
  );
}

async function hashes(directory: string): Promise<string[]> {
  const files = ['best.safetensors', 'checkpoints/last.safetensors'];
  return Promise.all(
    files.map(async (file) =>
      createHash('sha256')
        .update(await readFile(join(directory, file)))
        .digest('hex'),
    ),
  );
}

describe('a run that is killed while it writes a checkpoint', () => {
  const moments: Readonly<Record<string, string>> = {
    'before the first one is in its place': `if (epoch === 1) dieBefore('last.safetensors', 1);`,
    'between the two files of the first one': `if (epoch === 1) dieBefore('last.state', 1);`,
    'before the second one is in its place': `if (epoch === 1) dieBefore('last.safetensors', 2);`,
    'between the two files of the second one': `if (epoch === 1) dieBefore('last.state', 2);`,
    'while the files of the second one are written': `
      if (epoch === 1) dieBefore('last.safetensors', 2);
      const checkpoints = join(out, 'run', 'checkpoints');
      const look = () => {
        if (readdirSync(checkpoints).some((name) => name.endsWith('.tmp'))) die();
        setImmediate(look);
      };
      if (epoch === 2) look();`,
  };
  for (const [when, kill] of Object.entries(moments)) {
    it(`goes on to the weights that it would have ended with: ${when}`, async (t) => {
      const ground = await tinyGround(t);
      const data = await openDataset(ground.images);
      t.after(() => data.dispose());
      const { signal, stderr } = await runProcess(killed(ground, kill));
      assert.equal(signal, 'SIGKILL', stderr);

      const made: ResNet50[] = [];
      t.after(() => made.forEach((model) => void model.dispose()));
      const begin = async () => {
        const model = await tinyModel();
        made.push(model);
        return model;
      };
      const out = join(ground.out, 'run');
      const whole = join(ground.out, 'whole');
      const uninterrupted = await begin();
      await train(uninterrupted, data, { ...options, out: whole }).result;
      const again = await begin();
      await train(again, data, { out, resume: true }).result;

      assert.deepEqual(differences(await weightsOf(uninterrupted), await weightsOf(again)), []);
      assert.deepEqual(await hashes(out), await hashes(whole));
      assert.deepEqual((await readdir(join(out, 'checkpoints'))).sort(), ['last.safetensors', 'last.state']);
      assert.deepEqual((await readdir(out)).sort(), (await readdir(whole)).sort());
      const steps = (await readEvents(out)).flatMap((event) => (event.type === 'step' ? [event.step] : []));
      assert.deepEqual(
        steps,
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
    });
  }
});
