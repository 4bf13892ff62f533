import { ResNet50 } from '../../../src/model/resnet50.js';

/** A small random model's checkpoint, for pictures of 32 pixels; its seed tells it from others. */
export async function writeCheckpoint(path: string, classes: readonly string[], seed = 1): Promise<string> {
  const model = await ResNet50.create({ classes, weights: 'none', device: 'cpu', seed });
  const mean = [0.485, 0.456, 0.406] as const;
  const std = [0.229, 0.224, 0.225] as const;
  await model.save(path, { transform: { imageSize: 32, resize: 36, mean, std } });
  model.dispose();
  return path;
}
