import type { ServedPrediction, ServedPredictOptions, ServedPredictor } from './predictor.js';
import { predictionProblem } from './problem.js';

/** What a client is told of one image. */
export interface ImageAnswer {
  readonly predictions: ServedPrediction['predictions'];
  readonly features?: readonly number[];
}

/** Labels the images of one request, each its own call, so that a failure has an image; the first one ends them all. */
export async function predictImages(
  predictor: ServedPredictor,
  images: readonly Uint8Array[],
  options: ServedPredictOptions & { readonly signal: AbortSignal },
  maxPixels: number,
): Promise<readonly ImageAnswer[]> {
  const rest = new AbortController();
  const signal = AbortSignal.any([options.signal, rest.signal]);
  const failures: unknown[] = [];
  const answers = await Promise.all(
    images.map(async (bytes, image) => {
      try {
        return answer(await predictor.predict(bytes, { ...options, signal }));
      } catch (error) {
        failures.push(predictionProblem(error, image, maxPixels));
        rest.abort();
        return undefined;
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
  return answers.flatMap((found) => found ?? []);
}

function answer({ predictions, features }: ServedPrediction): ImageAnswer {
  return { predictions, ...(features === undefined ? {} : { features: Array.from(features, shortest) }) };
}

/** Nine digits tell a float32 from all others; printed as a double it would take seventeen. */
function shortest(value: number): number {
  return Number(value.toPrecision(9));
}
