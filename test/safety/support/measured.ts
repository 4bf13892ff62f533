import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryDirectory } from '../../support/paths.js';
import { type HostileFile, hostileFiles } from './hostile.js';

/** What became of a file, and what it cost the process: beyond what it held when idle, and on all of its threads. */
export interface Cost {
  readonly name: string;
  readonly outcome: 'image' | 'refused';
  readonly message: string;
  /** Highest resident memory above that of the idle process. 0 where the system does not tell. */
  readonly megabytes: number;
  readonly cpuMs: number;
}

/** Bounds of one file. */
export const MOST_MEGABYTES = 200;
export const MOST_CPU_MS = 2000;

/** Writes the files, each as a photograph's name, into a folder; the table of them lies beside. */
export async function writeHostile(
  t: TestContext,
  files: readonly HostileFile[] = hostileFiles(),
): Promise<{ readonly folder: string; readonly table: string; readonly paths: readonly string[] }> {
  const folder = await temporaryDirectory(t);
  const paths = await Promise.all(
    files.map(async ({ bytes }, i) => {
      const path = join(folder, `${String(i).padStart(3, '0')}.jpg`);
      await writeFile(path, bytes);
      return path;
    }),
  );
  const table = join(await temporaryDirectory(t), 'table.json');
  await writeFile(table, JSON.stringify(files.map(({ name }, i) => ({ name, path: paths[i] }))));
  return { folder, table, paths };
}

/**
 * For a program (see `program()`): `measured(table, work)` does `work(path)` for each file of a table, one after another,
 * and prints what each cost.
 */
export const MEASURED = `
  const { readFileSync, writeFileSync } = await import('node:fs');
  const statusOf = (key) => {
    try {
      return Number(new RegExp(key + ':\\\\s+(\\\\d+)').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
    } catch {
      return 0;
    }
  };
  /** From now on the highest memory is that from now on. */
  const forgetPeak = () => {
    try {
      writeFileSync('/proc/self/clear_refs', '5');
      return true;
    } catch {
      return false;
    }
  };
  const measured = async (table, work) => {
    globalThis.gc?.();
    const idle = statusOf('VmRSS');
    const costs = [];
    for (const { name, path } of JSON.parse(readFileSync(table, 'utf8'))) {
      const tells = forgetPeak();
      const before = process.cpuUsage();
      let message = '';
      try {
        await work(path);
      } catch (error) {
        if (!/^ERR_IMAGE_(DECODE|TOO_LARGE)$/.test(error.code)) throw new Error(name + ': ' + error.stack);
        message = error.message;
      }
      const { user, system } = process.cpuUsage(before);
      costs.push({
        name,
        outcome: message === '' ? 'image' : 'refused',
        message,
        megabytes: tells ? statusOf('VmHWM') - idle : 0,
        cpuMs: (user + system) / 1000,
      });
    }
    console.log(JSON.stringify(costs));
  };
`;
