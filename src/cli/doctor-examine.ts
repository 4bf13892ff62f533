import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../native/load.js';
import { builtVariants, cudaHost, type Variant } from '../native/variants.js';
import { packageVersion } from '../version.js';
import type { Examination, Probe } from './doctor-report.js';

/** Loading libtorch takes a second at most, from a slow disk some more. */
const PATIENCE = 120_000;

/** Looks at the package and at the machine; each variant that is built is loaded in a process of its own. */
export async function examine(): Promise<Examination> {
  const root = packageRoot();
  const built = builtVariants(root);
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
  return {
    resnetTorch: packageVersion(),
    node: process.version,
    oldestNode: engines.node.replace(/^>=/, ''),
    platform: `${process.platform}-${process.arch}`,
    host: cudaHost(),
    built,
    wanted: process.env.RESNET_TORCH_VARIANT || null,
    probes: Object.fromEntries(await Promise.all(built.map(async (variant) => [variant, await probe(variant)]))),
  };
}

function probe(variant: Variant): Promise<Probe> {
  const program = fileURLToPath(new URL('doctor-probe.js', import.meta.url));
  const options = { env: { ...process.env, RESNET_TORCH_VARIANT: variant }, timeout: PATIENCE };
  return new Promise((resolve) => {
    execFile(process.execPath, [program], options, (error, stdout, stderr) => {
      resolve(error === null ? (JSON.parse(stdout) as Probe) : crashed(error.signal ?? `code ${error.code}`, stderr));
    });
  });
}

function crashed(how: string, stderr: string): Probe {
  const message = `the process that loaded it ended with ${how}. ${stderr.trim()}`;
  return { libtorch: null, cuda: null, error: { code: 'ERR_ADDON_LOAD', message } };
}
