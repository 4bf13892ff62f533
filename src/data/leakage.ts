import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { relative } from 'node:path';
import type { Note } from '../notes.js';
import type { Readable } from './headers.js';
import { systemPath } from './path-bytes.js';
import type { Turns } from './turns.js';

const MOST_NAMED = 3;

/** An image to evaluate on that is a training image too. */
interface Leak {
  readonly val: number;
  readonly train: number;
}

/**
 * What is measured on images that a model was trained on says nothing of others: looks for files of `val` that are in
 * `train` too, byte for byte, whatever their names. Hashes that the first look at every file has made are compared; files are
 * read again only where those of large files are equal.
 *
 * @param root that names are relative to
 */
export async function notesOnLeakage(
  train: Readable,
  val: Readable,
  root: string,
  turns: Turns,
): Promise<readonly Note[]> {
  const leaks = await findLeaks(train, val, turns);
  if (leaks.length === 0) return [];
  const name = (part: Readable, index: number): string => {
    const path = part.files[index]?.path ?? '';
    return relative(root, path) || path;
  };
  const named = leaks.slice(0, MOST_NAMED).map((leak) => `${name(val, leak.val)} is ${name(train, leak.train)}`);
  const ending = leaks.length > MOST_NAMED ? ', …' : '';
  const [count, verb] =
    leaks.length === 1 ? ['1 image', 'is a training image'] : [`${leaks.length} images`, 'are training images'];
  let relabelled = 0;
  for (const leak of leaks) {
    if (val.files[leak.val]?.label !== train.files[leak.train]?.label) relabelled++;
    if (turns.due()) await turns.next();
  }
  const labels =
    relabelled === 0 ? '' : ` ${relabelled === leaks.length ? 'The' : `${relabelled} with a`} label there is another.`;
  return [
    {
      code: 'images-in-both-splits',
      message:
        `${count} of the ${val.files.length} to evaluate on ${verb} too, byte for byte (${named.join(', ')}${ending}): ` +
        `what is measured on such images says nothing of others.${labels} Take them out of one side.`,
    },
  ];
}

/** In the order of the images to evaluate on; of each, the first training image that it is. */
async function findLeaks(train: Readable, val: Readable, turns: Turns): Promise<readonly Leak[]> {
  const byKey = new Map<string, number[]>();
  for (let index = 0; index < val.files.length; index++) {
    const key = keyOf(val, index);
    const same = byKey.get(key);
    if (same === undefined) byKey.set(key, [index]);
    else same.push(index);
    if (turns.due()) await turns.next();
  }
  const found = new Map<number, number>();
  for (let index = 0; index < train.files.length; index++) {
    if (turns.due()) await turns.next();
    const key = keyOf(train, index);
    const candidates = byKey.get(key);
    if (candidates === undefined) continue;
    const others: number[] = [];
    for (const other of candidates) {
      if (await areEqual(train, index, val, other)) found.set(other, index);
      else others.push(other);
      if (turns.due()) await turns.next();
    }
    // Each is told once, so that many equal files are not compared each with each.
    if (others.length === 0) byKey.delete(key);
    else byKey.set(key, others);
  }
  const leaks: Leak[] = [];
  for (let index = 0; index < val.files.length; index++) {
    const source = found.get(index);
    if (source !== undefined) leaks.push({ val: index, train: source });
    if (turns.due()) await turns.next();
  }
  return leaks;
}

/** Pixels that are given as they are have the same bytes in several shapes. */
function keyOf({ digests, sizes }: Readable, index: number): string {
  return `${digests[index]} ${sizes[3 * index]} ${sizes[3 * index + 1]}`;
}

async function areEqual(a: Readable, atA: number, b: Readable, atB: number): Promise<boolean> {
  if (!a.sampled.has(atA)) return true;
  const [one, other] = [a.files[atA]?.path ?? '', b.files[atB]?.path ?? ''];
  return (await hashOf(one)) === (await hashOf(other));
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(systemPath(path)) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
