/** Stable codes of every failure; programs test these, people read the message. */
export const ERROR_CODES = [
  'ERR_ADDON_LOAD',
  'ERR_LIBTORCH_NOT_FOUND',
  'ERR_LIBTORCH_VERSION',
  'ERR_SETUP',
  'ERR_DOWNLOAD',
  'ERR_WEIGHTS_FORMAT',
  'ERR_WEIGHTS_UNAVAILABLE',
  'ERR_SHAPE_MISMATCH',
  'ERR_DATASET',
  'ERR_IMAGE_DECODE',
  'ERR_OVERLOADED',
  'ERR_DEADLINE',
  'ERR_IMAGE_TOO_LARGE',
  'ERR_CUDA_UNAVAILABLE',
  'ERR_OUT_OF_MEMORY',
  'ERR_NON_FINITE',
  'ERR_CHECKPOINT',
  'ERR_OUTPUT_EXISTS',
  'ERR_FILE',
  'ERR_DISPOSED',
  'ERR_BUSY',
  'ERR_INVALID_ARGUMENT',
  'ERR_ABORTED',
  'ERR_CALLBACK',
  'ERR_INTERNAL',
] as const;

/** A stable name of a kind of failure; messages may change, these do not. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The one error class of the package. The native addon throws it too, so `instanceof` and `code` work for every failure.
 *
 * Cancelling through an `AbortSignal` rejects with the signal's reason (an `AbortError` by default), not with this class.
 */
export class ResnetTorchError extends Error {
  override readonly name = 'ResnetTorchError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
