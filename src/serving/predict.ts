import { setImmediate as immediate } from 'node:timers/promises';
import type { ServedPrediction, ServedPredictOptions, ServedPredictor } from './predictor.js';
import { nonFinite, predictionProblem } from './problem.js';

/** What a client is told of one image. */
export interface ImageAnswer {
  readonly predictions: ServedPrediction['predictions'];
  readonly features?: readonly number[];
}

/**
 * Labels the images of one request, each its own call, so that a failure has an image; the first one ends them all.
 *
 * @param request ends the calls when it is aborted
 */
export async function predictImages(
  predictor: ServedPredictor,
  images: readonly Uint8Array[],
  options: Omit<ServedPredictOptions, 'signal'>,
  request: AbortController,
  maxPixels: number,
): Promise<readonly ImageAnswer[]> {
  const failures: unknown[] = [];
  const found = await Promise.all(
    images.map(async (bytes, image) => {
      try {
        const found = await predictor.predict(bytes, { ...options, signal: request.signal });
        if (!isAnswer(found)) throw nonFinite(image);
        return found;
      } catch (error) {
        failures.push(predictionProblem(error, image, maxPixels));
        request.abort();
        return undefined;
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
  const answers: ImageAnswer[] = [];
  for (const prediction of found) {
    if (prediction === undefined) continue;
    answers.push(answer(prediction));
    // Features become text at almost a millisecond an image: others have their turn in between.
    if (prediction.features !== undefined) await immediate();
  }
  return answers;
}

/** JSON has no word for what is not finite: it would become `null`. */
function isAnswer({ predictions, features }: ServedPrediction): boolean {
  return (
    predictions.every(({ probability }) => Number.isFinite(probability)) &&
    (features === undefined || features.every(Number.isFinite))
  );
}

function answer({ predictions, features }: ServedPrediction): ImageAnswer {
  return { predictions, ...(features === undefined ? {} : { features: Array.from(features, shortest) }) };
}

/** Nine digits tell a float32 from all others; printed as a double it would take seventeen. */
function shortest(value: number): number {
  return Number(value.toPrecision(9));
}
