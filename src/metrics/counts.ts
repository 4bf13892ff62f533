import type { ScoredPart, Scores } from './scores.js';

/** What is counted over images whose classes are known; metrics are made from it. Counts of parts add up. */
export interface Counts {
  readonly images: number;
  /** Cross-entropy, summed over images. */
  readonly lossSum: number;
  /** Images whose likeliest class is the right one. */
  readonly top1: number;
  /** Images whose class is among the five likeliest; all of them where a model has at most five outputs. */
  readonly top5: number;
  /** Outputs of the model: the classes that it chooses from. */
  readonly outputs: number;
  /** Of each class of the data, in the order of its labels. */
  readonly classes: readonly ClassCount[];
  /** Of each output that stands for no class of the data, the images that it was the likeliest of. */
  readonly strays: readonly number[];
  /** Of each output, the images of its class. */
  readonly imagesOfOutputs: readonly number[];
}

/** Images of one class. */
export interface ClassCount {
  readonly images: number;
  /** Those whose likeliest class it is. */
  readonly correct: number;
  /** All images whose likeliest class it is. */
  readonly predicted: number;
}

/** What the images of a split are, and what the outputs of a model stand for. */
export interface Truth {
  /** The class of an image, by its position in the split. */
  labelOf(index: number): number;
  /** How many classes there are. */
  readonly classes: number;
  /** The class that each output of the model stands for; −1 for one that the data does not have. */
  readonly classOfOutput: readonly number[];
}

/** An evaluation of some images, such as native code answers. */
export interface EvaluatedPart {
  readonly images: number;
  readonly lossSum: number;
  readonly top1: number;
  readonly top5: number;
  /** Of each image, its position in the split and the output that was the likeliest. */
  readonly indices: ArrayLike<number>;
  readonly predictions: ArrayLike<number>;
  /** Row-major `[images, outputs]`, where they were asked for. */
  readonly probabilities?: Float32Array;
}

/** What metrics are made from. */
export interface Evaluated {
  readonly counts: Counts;
  /** What was given to every class; of no image where that was not asked for. */
  readonly scores: Scores;
}

/** Counts over the parts of an evaluation. */
export class Tally implements Evaluated {
  readonly #truth: Truth;
  readonly #outputOfClass: readonly number[];
  readonly #images: number[];
  readonly #correct: number[];
  readonly #predicted: number[];
  readonly #scored: ScoredPart[] = [];
  #sums = { images: 0, lossSum: 0, top1: 0, top5: 0 };

  constructor(truth: Truth) {
    this.#truth = truth;
    const { classes, classOfOutput } = truth;
    this.#outputOfClass = Array.from({ length: classes }, (_, label) => classOfOutput.indexOf(label));
    this.#images = Array<number>(classes).fill(0);
    this.#correct = Array<number>(classes).fill(0);
    this.#predicted = Array<number>(classOfOutput.length).fill(0);
  }

  add({ images, lossSum, top1, top5, indices, predictions, probabilities }: EvaluatedPart): void {
    const sums = this.#sums;
    this.#sums = {
      images: sums.images + images,
      lossSum: sums.lossSum + lossSum,
      top1: sums.top1 + top1,
      top5: sums.top5 + top5,
    };
    const truth = this.#truth;
    const labels = new Int32Array(indices.length);
    for (let i = 0; i < indices.length; i++) {
      const label = truth.labelOf(indices[i] ?? -1);
      const output = predictions[i] ?? -1;
      labels[i] = this.#outputOfClass[label] ?? -1;
      this.#images[label] = (this.#images[label] ?? 0) + 1;
      this.#predicted[output] = (this.#predicted[output] ?? 0) + 1;
      if (truth.classOfOutput[output] !== label) continue;
      this.#correct[label] = (this.#correct[label] ?? 0) + 1;
    }
    if (probabilities !== undefined) this.#scored.push({ labels, probabilities });
  }

  get counts(): Counts {
    const { classOfOutput } = this.#truth;
    const images = (label: number) => this.#images[label] ?? 0;
    return {
      ...this.#sums,
      outputs: classOfOutput.length,
      classes: this.#images.map((count, label) => ({
        images: count,
        correct: this.#correct[label] ?? 0,
        predicted: this.#predicted[this.#outputOfClass[label] ?? -1] ?? 0,
      })),
      strays: this.#predicted.filter((_, output) => classOfOutput[output] === -1),
      imagesOfOutputs: classOfOutput.map(images),
    };
  }

  get scores(): Scores {
    return { outputs: this.#truth.classOfOutput.length, parts: this.#scored };
  }
}
