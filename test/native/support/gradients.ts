/** A program: losses and some gradients of one batch, in float64 and in bfloat16, as JSON. */
import { native } from '../../../src/native/load.js';
import { randomiseNorms } from './networks.js';
import { uniform } from './numbers.js';

const SHAPE = [2, 3, 64, 64] as const;
/**
 * In bfloat16 what lies behind many BatchNorms in training mode is chaotic: the last block alone trains, behind units that
 * are computed in one way.
 */
const LAST = ['layer4.2.bn3.weight', 'layer4.2.bn3.bias', 'layer4.2.bn2.bias', 'layer4.2.conv3.weight'];
const PARAMETERS = [
  'conv1.weight',
  'bn1.bias',
  'layer1.0.downsample.1.weight',
  'layer2.0.bn3.weight',
  'layer4.2.bn2.bias',
];

native().setThreads(1);

async function gradients(compute: 'dtype' | 'bf16', statistics: boolean): Promise<readonly number[]> {
  const dtype = compute === 'bf16' ? 'float32' : 'float64';
  const model = new (native().Model)({
    arch: 'resnet50',
    classes: 4,
    hidden: [],
    dropout: 0,
    dtype,
    device: 'cpu',
    seed: 5,
  });
  await randomiseNorms(model);
  const tensors = model.tensors();
  const session = new (native().Session)(model, {
    groups: [
      {
        name: 'all',
        parameters: tensors
          .filter(({ kind, name }) => kind === 'parameter' && (compute === 'dtype' || name.startsWith('layer4.2.')))
          .map(({ name }) => name),
        weightDecay: 0,
      },
    ],
    optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    batchNormTraining: statistics
      ? tensors
          .filter(({ name }) => name.endsWith('.running_mean') && (compute === 'dtype' || name.startsWith('layer4.2.')))
          .map(({ name }) => name.replace('.running_mean', ''))
      : [],
    compute,
    seed: 0,
  });
  const answer = await session.gradients(uniform(2 * 3 * 64 * 64, 4), SHAPE, Int32Array.of(1, 3));
  session.dispose();
  model.dispose();
  return [
    answer.loss,
    ...(compute === 'bf16' ? LAST : PARAMETERS).flatMap((name) => [...(answer.gradients[name]?.subarray(0, 40) ?? [])]),
  ];
}

process.stdout.write(
  JSON.stringify({
    float64: await gradients('dtype', true),
    folded: await gradients('dtype', false),
    bf16: await gradients('bf16', true),
  }),
);
