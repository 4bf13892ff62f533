import { parseArgs } from 'node:util';
import { SetupError } from './errors.mjs';

export const help = `Gets everything that resnet-torch needs: npm dependencies, libtorch, the native build, the TypeScript build.
What is there and current is passed over.

Usage: node scripts/setup.mjs [options]
       npx resnet-torch setup [options]

  --device cpu|cuda     the variant of libtorch, and of the addon built against it (default: cpu)
  --libtorch-only       get libtorch and stop
  --native              get libtorch and build the addon; no npm, no TypeScript
  --typescript          npm dependencies and the TypeScript build; no libtorch, no addon
  --libtorch-url URL    where to download libtorch from, in place of PyTorch's host: the address above cpu/ and
                        cu130/, or that of one .zip
  --sha256 HEX          the SHA-256 that the archive must have; with it, the archive goes before the wheel
  --allow-unverified    take an archive or a wheel whose SHA-256 is not known (also RESNET_TORCH_ALLOW_UNVERIFIED=1)
  --allow-http          let --libtorch-url be an address of http (also RESNET_TORCH_ALLOW_HTTP=1)
  --jobs N              compilers at a time (default: by cores and free memory)
  --force               build anew what is built already
  --help                this text

libtorch is looked for, in this order:
  1. the folder that RESNET_TORCH_LIBTORCH names, which is used or refused, never passed over
  2. vendor/libtorch-<device>, where it is of the version this package is tested with
  3. the wheel of torch, through pip and whatever pip is configured to reach (RESNET_TORCH_PYTHON names a Python),
     checked by SHA-256
  4. PyTorch's official archive, where --sha256 or --allow-unverified says that it may be used
  5. a torch of that version that is installed in that Python

Examples:
  node scripts/setup.mjs
  node scripts/setup.mjs --device cuda
  RESNET_TORCH_LIBTORCH=/opt/libtorch npx resnet-torch setup
  node scripts/setup.mjs --libtorch-url https://mirror.example/libtorch.zip --sha256 0123…cdef`;

/**
 * @typedef {object} Options
 * @property {'cpu' | 'cuda'} device
 * @property {'all' | 'libtorch' | 'native' | 'typescript'} part
 * @property {import('./libtorch.mjs').Trust} trust
 * @property {number | undefined} jobs
 * @property {boolean} force
 * @property {boolean} help
 */

/** @param {readonly string[]} args @returns {Options} */
export function parseOptions(args) {
  const values = parse(args);
  const { device } = values;
  if (device !== 'cpu' && device !== 'cuda') throw new SetupError(`--device is "${device}": it can be cpu or cuda`);
  const jobs = values.jobs === undefined ? undefined : Number(values.jobs);
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs > 0)) {
    throw new SetupError(`--jobs is "${values.jobs}": it takes a whole number from 1 up`);
  }
  /** @type {('libtorch' | 'native' | 'typescript')[]} */
  const parts = [];
  if (values['libtorch-only']) parts.push('libtorch');
  if (values.native) parts.push('native');
  if (values.typescript) parts.push('typescript');
  if (parts.length > 1) throw new SetupError('--libtorch-only, --native and --typescript exclude each other');
  const url = values['libtorch-url'];
  if (url !== undefined && !/^https?:\/\/./.test(url)) {
    throw new SetupError(`--libtorch-url is "${url}": it takes an address that begins with http:// or https://`);
  }
  const sha256 = values.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new SetupError(`--sha256 is "${values.sha256}": it takes 64 hexadecimal digits`);
  }
  return {
    device,
    part: parts[0] ?? 'all',
    trust: {
      url,
      sha256,
      allowUnverified: values['allow-unverified'] || isOn('RESNET_TORCH_ALLOW_UNVERIFIED'),
      allowHttp: values['allow-http'] || isOn('RESNET_TORCH_ALLOW_HTTP'),
    },
    jobs,
    force: values.force,
    help: values.help,
  };
}

/** Only `1` turns a safeguard off: a variable that is set to anything else is a mistake. @param {string} name */
function isOn(name) {
  const value = process.env[name];
  if (value === undefined || value === '' || value === '0') return false;
  if (value === '1') return true;
  throw new SetupError(`${name} is "${value}": it can be 1 or 0`);
}

/** @param {readonly string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        device: { type: 'string', default: 'cpu' },
        'libtorch-only': { type: 'boolean', default: false },
        native: { type: 'boolean', default: false },
        typescript: { type: 'boolean', default: false },
        'libtorch-url': { type: 'string' },
        sha256: { type: 'string' },
        'allow-unverified': { type: 'boolean', default: false },
        'allow-http': { type: 'boolean', default: false },
        jobs: { type: 'string' },
        force: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\nnode scripts/setup.mjs --help lists the options.`);
  }
}
