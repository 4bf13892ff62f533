/** The checkpoint that our server loads: the backbone, and a head of 2048 → 1024 → 2. Usage: checkpoint.mjs WEIGHTS PATH SIZE RESIZE */

import { ResNet50 } from 'resnet-torch';

const [weights = '', path = '', size = '224', resize = '256'] = process.argv.slice(2);
const model = await ResNet50.create({ classes: 2, head: { hidden: [1024] }, weights, device: 'cpu' });
const mean = /** @type {const} */ ([0.485, 0.456, 0.406]);
const std = /** @type {const} */ ([0.229, 0.224, 0.225]);
await model.save(path, { transform: { imageSize: Number(size), resize: Number(resize), mean, std } });
model.dispose();
