import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NativeFileToSave } from '../../src/native/contract/session.js';
import { CheckpointWriter } from '../../src/training/checkpoint-writer.js';
import { BEGINNING } from '../../src/training/progress.js';

const directory = {
  best: 'best.safetensors',
  last: { weights: 'last.safetensors', state: 'last.state' },
  next: { weights: 'last.safetensors.next', state: 'last.state.next' },
  promote: async () => undefined,
};
const best = { epoch: 1, loss: 0.5, top1: 0.9 };

/** A writer over a session that records what it saves, and fails while it is told to. */
function writerOver(failsOn: (file: NativeFileToSave) => boolean) {
  const saved: string[] = [];
  const disk = { failsOn, ready: Promise.resolve() };
  const writer = new CheckpointWriter({
    directory,
    model: { checkpointMetadata: () => ({}) },
    session: {
      keepWeights: async () => undefined,
      save: async (files) => {
        await disk.ready;
        if (files.some(disk.failsOn)) throw new Error('No space left on device');
        saved.push(...files.map(({ path, holds }) => `${path}: ${holds}`));
      },
    },
  });
  return { writer, saved, disk };
}

describe('the writer of checkpoints', () => {
  it('writes the best weights where there is no room for the rest, tells of them and fails', async () => {
    const { writer, saved } = writerOver(({ holds }) => holds === 'state');
    writer.found(best, 8);
    await writer.begin({ ...BEGINNING, epoch: 1, step: 8 });
    await assert.rejects(writer.settle(), /No space left/);
    await writer.saveBest();
    assert.deepEqual(saved, ['best.safetensors: model']);
    assert.deepEqual(writer.news(), [
      { type: 'checkpoint', kind: 'best', epoch: 1, step: 8, path: 'best.safetensors' },
    ]);
  });

  it('writes the last weights though the best ones failed, and fails once', async () => {
    const { writer, saved } = writerOver(({ path }) => path === 'best.safetensors');
    writer.found(best, 8);
    await writer.keep();
    await writer.begin({ ...BEGINNING, epoch: 1, step: 8 });
    await assert.rejects(writer.settle(), /No space left/);
    await writer.settle();
    assert.deepEqual(saved, ['last.safetensors.next: model', 'last.state.next: state']);
    assert.deepEqual(writer.news(), []);
  });

  it('tells of the best weights first', async () => {
    const { writer, saved } = writerOver(() => false);
    writer.found(best, 8);
    await writer.keep();
    await writer.begin({ ...BEGINNING, epoch: 2, step: 16 });
    await writer.settle();
    assert.deepEqual(saved, ['best.safetensors: kept', 'last.safetensors.next: model', 'last.state.next: state']);
    assert.deepEqual(
      writer.news().map(({ kind, step }) => [kind, step]),
      [
        ['best', 8],
        ['last', 16],
      ],
    );
  });

  for (const kept of [false, true]) {
    it(`tries again to write the best weights that failed, ${kept ? 'kept apart' : "which are the model's still"}`, async () => {
      const { writer, saved, disk } = writerOver(({ path }) => path === 'best.safetensors');
      writer.found(best, 8);
      if (kept) {
        await writer.keep();
        writer.moving();
      }
      await writer.begin({ ...BEGINNING, epoch: 1, step: 8 });
      await assert.rejects(writer.settle(), /No space left/);
      await assert.rejects(writer.saveBest(), /No space left/);
      disk.failsOn = () => false;
      await writer.saveBest();
      await writer.saveBest();
      assert.deepEqual(saved.slice(2), [`best.safetensors: ${kept ? 'kept' : 'model'}`]);
      assert.deepEqual(
        writer.news().map(({ kind }) => kind),
        ['best'],
      );
    });
  }

  it('does not write weights as the best ones that have moved on from them', async () => {
    const { writer, saved, disk } = writerOver(({ path }) => path === 'best.safetensors');
    writer.found(best, 8);
    await writer.begin({ ...BEGINNING, epoch: 1, step: 8 });
    writer.moving();
    await assert.rejects(writer.settle(), /No space left/);
    disk.failsOn = () => false;
    await writer.keep();
    await writer.saveBest();
    assert.ok(!saved.some((file) => file.startsWith('best')), saved.join());
  });

  it('keeps an epoch in mind that became the best while another was written', async () => {
    const { writer, saved, disk } = writerOver(() => false);
    let write = (): void => undefined;
    disk.ready = new Promise((resolve) => {
      write = resolve;
    });
    writer.found(best, 8);
    await writer.begin({ ...BEGINNING, epoch: 1, step: 8 });
    writer.moving();
    writer.found({ ...best, epoch: 2 }, 16);
    write();
    await writer.settle();
    await writer.saveBest();
    assert.deepEqual(
      writer.news().map(({ kind, epoch }) => [kind, epoch]),
      [
        ['best', 1],
        ['last', 1],
        ['best', 2],
      ],
    );
    assert.equal(saved.at(-1), 'best.safetensors: model');
  });
});
