import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { invalidArgument } from '../options.js';
import { systemPath } from './path-bytes.js';

/**
 * Refuses to write into the data: there a run directory would be a class from then on.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export async function refuseOutputInside(data: string, out: string): Promise<void> {
  const [folder, output] = [await realPath(data), await realPath(out)];
  const below = relative(folder, output);
  if (below === '..' || below.startsWith(`..${sep}`)) return;
  throw invalidArgument(
    `The output directory ${out} lies in the data, ${data}, and would be taken for a class of it. ` +
      `Name one outside of it with --out (out), such as ${join(dirname(resolve(data)), 'runs', basename(out))}.`,
  );
}

/** Links followed as far as the path is there. */
async function realPath(path: string): Promise<string> {
  const whole = resolve(path);
  try {
    return await realpath(systemPath(whole));
  } catch {
    const above = dirname(whole);
    return above === whole ? whole : join(await realPath(above), basename(whole));
  }
}
