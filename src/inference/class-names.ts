import { readFile } from 'node:fs/promises';
import { ResnetTorchError } from '../errors.js';

/**
 * Reads class names, one a line in the order of the outputs. Spaces around a name, empty lines at the end and a byte
 * order mark do not count.
 *
 * @throws ERR_FILE when the file cannot be read, ERR_INVALID_ARGUMENT when it is empty or a name is missing or there twice
 */
export async function readClassNames(path: string): Promise<readonly string[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ResnetTorchError(
      'ERR_FILE',
      `The class names ${path} cannot be read: ${String((cause as Error).message)}`,
      { cause },
    );
  }
  const names = text
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/)
    .map((name) => name.trim());
  const empty = names.indexOf('');
  if (empty !== -1) {
    throw new ResnetTorchError(
      'ERR_INVALID_ARGUMENT',
      `Line ${empty + 1} of the class names ${path} is empty; give one name a line.`,
    );
  }
  const seen = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const first = seen.get(name);
    if (first !== undefined) {
      throw new ResnetTorchError(
        'ERR_INVALID_ARGUMENT',
        `The class names ${path} hold ${JSON.stringify(name)} twice, in lines ${first + 1} and ${index + 1}.`,
      );
    }
    seen.set(name, index);
  }
  return names;
}
