import { readFileSync } from 'node:fs';
import { pathFromBytes } from '../data/path-bytes.js';

/**
 * The command line as the system has it: Node decodes arguments as UTF-8 and puts U+FFFD for what is none, under which no
 * file is found. Linux tells the bytes; elsewhere the arguments stay as they are.
 */
export function argumentsFromBytes(
  args: readonly string[],
  system: () => Uint8Array = ownCommandLine,
): readonly string[] {
  if (!args.some((arg) => arg.includes('\uFFFD'))) return args;
  try {
    const all = Buffer.from(system()).toString('latin1').split('\0').slice(0, -1);
    const own = all.slice(all.length - args.length).map((text) => Buffer.from(text, 'latin1'));
    // Where this is not the command line that the arguments came from, they stand.
    if (!own.every((bytes, index) => bytes.toString('utf8') === args[index])) return args;
    return own.map(pathFromBytes);
  } catch {
    return args;
  }
}

function ownCommandLine(): Uint8Array {
  return readFileSync('/proc/self/cmdline');
}
