/** Checked by the compiler, never run: what calls answer by their options. */

import { expectTypeOf } from 'expect-type';
import {
  type ArchitectureName,
  type Dataset,
  type ErrorCode,
  exportModel,
  type FailedPrediction,
  type ImageInput,
  type NormalisedBatch,
  type OnnxExport,
  type PixelBatch,
  type Prediction,
  type PredictionWithFeatures,
  type Predictor,
  type RawImage,
  ResNet,
  ResNet50,
  ResnetTorchError,
  type Tensor2D,
  type UnitName,
  type UnitRates,
  type WeightsExport,
} from 'resnet-torch';

declare const predictor: Predictor;
declare const data: Dataset;
declare const pixels: RawImage;
declare const bytes: Uint8Array;
declare const error: unknown;

// One image gives one prediction, an array gives as many; features only where they are asked for.
expectTypeOf(predictor.predict('a.jpg')).resolves.toEqualTypeOf<Prediction>();
expectTypeOf(predictor.predict(pixels, { topK: 3 })).resolves.toEqualTypeOf<Prediction>();
expectTypeOf(predictor.predict([bytes, 'a.jpg'])).resolves.toEqualTypeOf<readonly Prediction[]>();
expectTypeOf(predictor.predict(bytes, { features: true })).resolves.toEqualTypeOf<PredictionWithFeatures>();
expectTypeOf(predictor.predict([bytes], { features: true })).resolves.toEqualTypeOf<
  readonly PredictionWithFeatures[]
>();
expectTypeOf(predictor.features([bytes])).resolves.toEqualTypeOf<Tensor2D>();
expectTypeOf<Prediction>().not.toHaveProperty('features');

// Images are of every kind that Node has.
expectTypeOf(predictor.predict(new URL('file:///a.jpg'))).resolves.toEqualTypeOf<Prediction>();
expectTypeOf(predictor.predict(new Blob([]))).resolves.toEqualTypeOf<Prediction>();
expectTypeOf<Uint8ClampedArray>().toExtend<ImageInput>();
expectTypeOf<ArrayBuffer>().toExtend<ImageInput>();
expectTypeOf<SharedArrayBuffer>().toExtend<ImageInput>();
expectTypeOf<DataView>().toExtend<ImageInput>();
expectTypeOf<File>().toExtend<ImageInput>();
expectTypeOf<ReadableStream<Uint8Array>>().toExtend<ImageInput>();
expectTypeOf<AsyncGenerator<Buffer>>().toExtend<ImageInput>();
expectTypeOf<Float32Array>().not.toExtend<ImageInput>();
expectTypeOf<Response>().not.toExtend<ImageInput>();

// A stream gives predictions, and failures among them where it may go on behind them.
declare const stream: AsyncGenerator<string | Buffer>;
declare const mayStop: boolean;
for await (const entry of predictor.stream(stream)) expectTypeOf(entry).toEqualTypeOf<Prediction>();
for await (const entry of predictor.stream(['a.jpg'], { features: true })) {
  expectTypeOf(entry).toEqualTypeOf<PredictionWithFeatures>();
}
for await (const entry of predictor.stream(stream, { stopOnError: true }))
  expectTypeOf(entry).toEqualTypeOf<Prediction>();
for await (const entry of predictor.stream(stream, { stopOnError: false, concurrency: 8 })) {
  expectTypeOf(entry).toEqualTypeOf<Prediction | FailedPrediction>();
  if ('error' in entry) expectTypeOf(entry.error.code).toEqualTypeOf<ErrorCode>();
  else expectTypeOf(entry).toEqualTypeOf<Prediction>();
}
expectTypeOf(predictor.stream(stream, { stopOnError: mayStop })).toEqualTypeOf<
  AsyncIterableIterator<Prediction | FailedPrediction>
>();
// @ts-expect-error bytes of one image
predictor.stream(bytes);
// @ts-expect-error an option of another call
predictor.stream(stream, { skipCorrupt: true });
// @ts-expect-error two channels
predictor.predict({ data: bytes, width: 1, height: 1, channels: 2 });
// @ts-expect-error an option of another call
predictor.features([bytes], { topK: 1 });

// Batches are by format.
for await (const batch of data.batches()) expectTypeOf(batch).toEqualTypeOf<PixelBatch>();
for await (const batch of data.batches({ format: 'float32' })) {
  expectTypeOf(batch).toEqualTypeOf<NormalisedBatch>();
  expectTypeOf(batch.images).toEqualTypeOf<Float32Array>();
}

// Exports are by format.
expectTypeOf(exportModel('runs/bees', { format: 'onnx' })).resolves.toEqualTypeOf<OnnxExport>();
expectTypeOf(exportModel('runs/bees', { format: 'fp16' })).resolves.toEqualTypeOf<WeightsExport<'fp16'>>();
// @ts-expect-error a slip of the hand
exportModel('runs/bees', { format: 'onxx' });

// A freeze rule is of a kind that there is.
const model = await ResNet50.create({ classes: ['ant', 'bee'] });
expectTypeOf(model.freeze({ until: 'layer3.2' })).toEqualTypeOf<ResNet50>();
expectTypeOf(model.units()[0]?.name).toEqualTypeOf<UnitName | undefined>();
// @ts-expect-error a rule that there is not
model.freeze({ upTo: 'layer3.2' });
// @ts-expect-error a device that there is not
await ResNet50.load('runs/bees', { device: 'tpu' });

// Every ResNet50 is a ResNet; architectures and units are known by name.
expectTypeOf(model).toExtend<ResNet>();
expectTypeOf(await ResNet.load('runs/bees')).toEqualTypeOf<ResNet>();
const small = await ResNet.create({ arch: 'resnet18', classes: 2, weights: 'resnet18:imagenet-v1' });
expectTypeOf(small.arch).toEqualTypeOf<ArchitectureName>();
expectTypeOf<'layer3.22'>().toExtend<UnitName>();
expectTypeOf<'layer5.0'>().not.toExtend<UnitName>();
expectTypeOf<UnitRates>().toHaveProperty('layer4');
// @ts-expect-error a member that there is not
await ResNet.create({ arch: 'resnet51', classes: 2 });
// @ts-expect-error a ResNet50 is a resnet50
await ResNet50.create({ arch: 'resnet18', classes: 2 });

// Errors have codes that are known.
if (error instanceof ResnetTorchError) {
  expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
  // @ts-expect-error no such code
  error.code === 'ERR_OVERLOAD';
}
