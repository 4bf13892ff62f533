import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from '../../src/training/gate.js';
import { train } from '../../src/training/train.js';
import { tinyData, tinyModel, tinyOptions } from './support/tiny.js';

describe('the gate of a run', () => {
  it('lets a run pass that is not paused, and none that is aborted', async () => {
    const controller = new AbortController();
    const gate = new Gate(controller.signal);
    assert.equal(await gate.pass(), true);
    controller.abort();
    assert.equal(await gate.pass(), false);
  });

  it('is opened by an abortion while it is paused, with the answer that the run is to end', async () => {
    const controller = new AbortController();
    const gate = new Gate(controller.signal);
    gate.pause();
    const passing = gate.pass();
    controller.abort();
    assert.equal(await passing, false);
  });

  it('stays closed where a pause follows a resumption at once', async () => {
    const gate = new Gate(undefined);
    gate.pause();
    let passed = false;
    const passing = gate.pass().then(() => {
      passed = true;
    });
    gate.resume();
    gate.pause();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(passed, false);
    gate.resume();
    await passing;
  });
});

describe('a paused run', () => {
  it('rejects with the reason when it is aborted', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const controller = new AbortController();
    const run = train(model, data, { ...tinyOptions, freeze: 'backbone', signal: controller.signal });
    run.pause();
    for await (const event of run) if (event.type === 'start') break;
    // By now it waits at the gate.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(run.result, (error) => error === reason);
  });
});
