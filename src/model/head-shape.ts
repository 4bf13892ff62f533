/** What stands in the place of torchvision's `fc`. */
export interface HeadShape {
  readonly classes: number;
  /** Hidden layer widths in order; empty for one linear layer named `fc`. */
  readonly hidden: readonly number[];
  /** Dropout probability after each hidden ReLU, 0 ≤ p < 1. */
  readonly dropout: number;
}
