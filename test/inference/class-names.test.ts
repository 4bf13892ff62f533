import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readClassNames } from '../../src/inference/class-names.js';
import { temporaryDirectory } from '../support/paths.js';

async function names(t: TestContext, text: string): Promise<readonly string[]> {
  const path = join(await temporaryDirectory(t), 'names.txt');
  await writeFile(path, text);
  return readClassNames(path);
}

describe('readClassNames', () => {
  it('reads one name a line, in order', async (t) => {
    assert.deepEqual(await names(t, '\ufeffbees\r\n wild ants \r\n猫\r\n\r\n'), ['bees', 'wild ants', '猫']);
  });

  it('refuses a line without a name, and a name that is there twice', async (t) => {
    await assert.rejects(names(t, 'a\n\nb\n'), { code: 'ERR_INVALID_ARGUMENT', message: /Line 2/ });
    await assert.rejects(names(t, 'a\nb\na\n'), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /"a" twice, in lines 1 and 3/,
    });
    await assert.rejects(names(t, ''), { code: 'ERR_INVALID_ARGUMENT', message: /Line 1/ });
  });

  it('names a file that is not there', async () => {
    await assert.rejects(readClassNames('/nowhere/names.txt'), { code: 'ERR_FILE', message: /\/nowhere\/names\.txt/ });
  });
});
