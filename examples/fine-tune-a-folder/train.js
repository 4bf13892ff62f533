import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openDataset, ResNet50, strategies, train } from 'resnet-torch';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: 'runs/photos' },
    weights: { type: 'string', default: 'imagenet-v2' },
    epochs: { type: 'string', default: '5' },
    'image-size': { type: 'string', default: '224' },
  },
});
const [folder = 'photos'] = positionals;
const strategy = strategies['feature-extraction'];

const data = await openDataset(folder, { skipCorrupt: true });
console.log(`${data.splits.train.files.length} images of ${data.classes.join(', ')}`);

const { out } = values;
// A run that was stopped has a checkpoint, and its own settings.
const resume = existsSync(`${out}/checkpoints/last.state`);
const weights = resume ? 'none' : values.weights;
const model = await ResNet50.create({ classes: data.classes, weights, head: strategy.head });

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const settings = { strategy, epochs: Number(values.epochs), imageSize: Number(values['image-size']) };
const run = train(model, data, { ...(resume ? { resume } : settings), out, signal: stop.signal });

try {
  for await (const event of run) {
    if (event.type === 'epoch') {
      const { epoch, epochs, val } = event;
      console.log(`epoch ${epoch} of ${epochs}: ${(100 * val.top1).toFixed(1)} % right, loss ${val.loss.toFixed(3)}`);
    }
    if (event.type === 'result') console.log(`the best is epoch ${event.best.epoch}, in ${event.checkpoint}`);
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
  console.log('stopped; the same command goes on');
  process.exitCode = 130;
} finally {
  model.dispose();
  data.dispose();
}
