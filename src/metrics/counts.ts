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
}

/** Images of one class. */
export interface ClassCount {
  readonly images: number;
  /** Those whose likeliest class it is. */
  readonly correct: number;
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
}

/** Counts over the parts of an evaluation. */
export class Tally {
  readonly #truth: Truth;
  readonly #images: number[];
  readonly #correct: number[];
  #sums = { images: 0, lossSum: 0, top1: 0, top5: 0 };

  constructor(truth: Truth) {
    this.#truth = truth;
    this.#images = Array<number>(truth.classes).fill(0);
    this.#correct = Array<number>(truth.classes).fill(0);
  }

  add({ images, lossSum, top1, top5, indices, predictions }: EvaluatedPart): void {
    const sums = this.#sums;
    this.#sums = {
      images: sums.images + images,
      lossSum: sums.lossSum + lossSum,
      top1: sums.top1 + top1,
      top5: sums.top5 + top5,
    };
    for (let i = 0; i < indices.length; i++) {
      const label = this.#truth.labelOf(indices[i] ?? -1);
      this.#images[label] = (this.#images[label] ?? 0) + 1;
      if (this.#truth.classOfOutput[predictions[i] ?? -1] !== label) continue;
      this.#correct[label] = (this.#correct[label] ?? 0) + 1;
    }
  }

  get counts(): Counts {
    return {
      ...this.#sums,
      outputs: this.#truth.classOfOutput.length,
      classes: this.#images.map((images, label) => ({ images, correct: this.#correct[label] ?? 0 })),
    };
  }
}
