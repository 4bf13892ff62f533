import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NativeFileToSave } from '../../src/native/binding.js';
import { BEGINNING } from '../../src/training/checkpoint.js';
import { CheckpointWriter } from '../../src/training/checkpoint-writer.js';

const directory = {
  best: 'best.safetensors',
  last: { weights: 'last.safetensors', state: 'last.state' },
  next: { weights: 'last.safetensors.next', state: 'last.state.next' },
  promote: async () => undefined,
};
const best = { epoch: 1, loss: 0.5, top1: 0.9 };

/** A writer over a session that records what it saves, and fails where it is told to. */
function writerOver(failsOn: (file: NativeFileToSave) => boolean) {
  const saved: string[] = [];
  const writer = new CheckpointWriter({
    directory,
    model: { checkpointMetadata: () => ({}) },
    session: {
      keepWeights: async () => undefined,
      save: async (files) => {
        if (files.some(failsOn)) throw new Error('No space left on device');
        saved.push(...files.map(({ path, holds }) => `${path}: ${holds}`));
      },
    },
  });
  return { writer, saved };
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
});
