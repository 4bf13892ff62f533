import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runGuide } from './support/guide.js';
import { CLASSES, placeWithImages, writeRun } from './support/place.js';

it('the guide to serving does what it says', async (t) => {
  const folder = await placeWithImages(t);
  await writeRun(folder);
  const lines = await runGuide(t, 'serve', {
    folder,
    instead: { 'port: 8080': 'port: 0' },
    after: `
      await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
      const { port } = outer.address() as { port: number };
      const hello = await (await fetch(\`http://127.0.0.1:\${port}/hello\`)).text();
      const model = (await (await fetch(\`http://127.0.0.1:\${port}/v1/model\`)).json()) as { default: string };
      outer.close();
      outer.closeAllConnections();
      await server.close();
      console.log(JSON.stringify({ one, both: both.images.length, refused, reloaded, hello, model: model.default }));`,
  });
  assert.match(lines[0] ?? '', /^POST \/v1\/predict\?topK=2 200 [\d.]+$/);
  const { one, both, refused, reloaded, hello, model } = JSON.parse(lines.at(-1) ?? '');
  assert.deepEqual(one.images[0].predictions.map(({ label }: { label: string }) => label).sort(), CLASSES);
  assert.equal(both, 2);
  assert.deepEqual(refused, { problem: 'urn:resnet-torch:problem:undecodable-image' });
  assert.deepEqual(reloaded, ['bees']);
  assert.equal(hello, 'hello');
  assert.equal(model, 'bees');
});
