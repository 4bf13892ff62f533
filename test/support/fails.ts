import assert from 'node:assert/strict';
import { type ErrorCode, ResnetTorchError } from '../../src/errors.js';

/** For `assert.rejects` and `assert.throws`: an error of the package with this code and a message that matches. */
export function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ResnetTorchError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}
