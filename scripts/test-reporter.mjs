/**
 * A reporter of Node's test runner: its own, with the tests that were skipped named and counted above its closing counts, which
 * leave out suites. A test that was not run must not pass for one that was.
 */

import { relative } from 'node:path';
import { Readable } from 'node:stream';
import { spec, tap } from 'node:test/reporters';

/** @typedef {{ type: string, data: any }} Event of the runner; the types of Node 20 do not tell them apart */

/** What Node takes by itself: TAP where nobody looks, until version 23. */
const isTap = !process.stdout.isTTY && Number(process.versions.node.split('.')[0]) < 23;

/** @param {AsyncIterable<Event>} events @returns {AsyncGenerator<string>} */
// biome-ignore lint/style/noDefaultExport: the runner takes nothing else
export default async function* report(events) {
  const told = withSkipped(events);
  if (isTap) yield* tap(/** @type {any} */ (told));
  else yield* Readable.from(told).pipe(/** @type {any} */ (spec)());
}

/** @param {AsyncIterable<Event>} events @returns {AsyncGenerator<Event>} */
async function* withSkipped(events) {
  /** @type {string[]} */
  const skipped = [];
  let suites = 0;
  let isOver = false;
  for await (const event of events) {
    const { type, data } = event;
    if (type === 'test:pass' && data.skip !== undefined) {
      skipped.push(describe(data));
      if (isSuite(data)) suites += 1;
    }
    if (type === 'test:diagnostic' && data.nesting === 0 && /^tests \d+$/.test(data.message) && !isOver) {
      isOver = true;
      const count = `skipped in all: ${skipped.length - suites} tests and ${suites} suites`;
      for (const message of skipped.length === 0 ? [] : [...skipped, count]) {
        yield { type: 'test:diagnostic', data: { nesting: 0, message } };
      }
    }
    yield event;
  }
}

/** @typedef {{ name: string, file?: string, skip: string | true, details?: { type?: string } }} Skipped */

/** @param {Skipped} test */
const isSuite = ({ details }) => details?.type === 'suite';

/** @param {Skipped} test */
function describe(test) {
  const { name, file, skip } = test;
  const kind = isSuite(test) ? ' suite' : '';
  const place = file === undefined ? '' : ` (${relative(process.cwd(), file)})`;
  return `skipped${kind}: ${name}${place}: ${typeof skip === 'string' && skip !== '' ? skip : 'no reason given'}`;
}
