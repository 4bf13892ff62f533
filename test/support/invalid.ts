import { ResnetTorchError } from '../../src/errors.js';

/** For `assert.throws`: an `ERR_INVALID_ARGUMENT` with these words in its message. */
export function invalid(words: string): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof ResnetTorchError && error.code === 'ERR_INVALID_ARGUMENT' && error.message.includes(words)) {
      return true;
    }
    throw new Error(`expected ERR_INVALID_ARGUMENT with ${JSON.stringify(words)}`, { cause: error });
  };
}
