import { parseArgs } from 'node:util';
import { evaluate, groups, openDataset, optimizers, ResNet50, TrainingSession } from 'resnet-torch';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: 'best.safetensors' },
    weights: { type: 'string', default: 'imagenet-v2' },
    epochs: { type: 'string', default: '20' },
    'image-size': { type: 'string', default: '224' },
  },
});
const imageSize = Number(values['image-size']);

const data = await openDataset(positionals[0] ?? 'photos');
const model = await ResNet50.create({ classes: data.classes, weights: values.weights });
model.freeze({ until: 'layer3' });
const trainable = model.frozen?.plan.trainable;

// The head learns ten times as fast as the last stage.
const parameterGroups = groups.uniform(model.units(), { lr: 1e-3, headLr: 1e-2, trainable });
const session = new TrainingSession(model, { groups: parameterGroups, optimizer: optimizers.sgd({ momentum: 0.9 }) });

let best = { top1: -1, loss: Number.POSITIVE_INFINITY };
let scale = 1;
let idle = 0;
for (let epoch = 0; epoch < Number(values.epochs) && idle < 3; epoch++) {
  const rates = parameterGroups.map(({ lr }) => lr * scale);
  const batches = data.batches({
    split: 'train',
    epoch,
    batchSize: 16,
    imageSize,
    augment: 'standard',
    format: 'float32',
  });
  let [loss, images] = [0, 0];
  for await (const batch of batches) {
    const step = await session.step(batch, { rates });
    loss += step.loss * batch.labels.length;
    images += batch.labels.length;
  }
  const val = await evaluate(model, data, { imageSize });
  console.log(
    `epoch ${epoch + 1}: loss ${(loss / images).toFixed(3)}, ${(100 * val.top1).toFixed(1)} % right, rates × ${scale}`,
  );
  if (val.top1 > best.top1 || (val.top1 === best.top1 && val.loss < best.loss)) {
    best = val;
    idle = 0;
    await model.save(values.out);
  } else {
    idle += 1;
    scale /= 2;
  }
}
console.log(`${(100 * best.top1).toFixed(1)} % right in ${values.out}`);

session.dispose();
model.dispose();
data.dispose();
