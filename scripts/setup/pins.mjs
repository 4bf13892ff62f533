/** The versions that the package is built against and tested with, and where they come from. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @typedef {'cpu' | 'cuda'} Variant */

/** @type {Readonly<Record<Variant, string>>} */
export const pinnedLibtorch = { cpu: '2.13.0', cuda: '2.14.1' };

/** What the CUDA build was made for: part of the file's name. */
const cudaTag = 'cu130';

export const officialBase = 'https://download.pytorch.org/libtorch';

/** PyTorch's own index of builds for the CPU, which pip is pointed at beside what it is configured to reach. */
export const pipIndex = {
  cpu: 'https://download.pytorch.org/whl/cpu',
  cuda: `https://download.pytorch.org/whl/${cudaTag}`,
};

/**
 * The official archive's place below the base address, or null where PyTorch publishes none for this system. PyTorch
 * publishes no hashes beside its archives, and none are recorded here: the user passes the one that he trusts.
 *
 * @param {Variant} variant
 * @returns {string | null}
 */
export function officialArchive(variant, platform = process.platform, arch = process.arch) {
  const version = pinnedLibtorch[variant];
  if (platform === 'linux' && arch === 'x64') {
    const tag = variant === 'cpu' ? 'cpu' : cudaTag;
    return `${tag}/libtorch-shared-with-deps-${version}%2B${tag}.zip`;
  }
  if (platform === 'darwin' && arch === 'arm64' && variant === 'cpu') return `cpu/libtorch-macos-arm64-${version}.zip`;
  return null;
}

/**
 * What pip is asked for. On Linux the plain name would bring a CUDA build from the general index.
 *
 * @param {Variant} variant
 */
export function wheelRequirement(variant, platform = process.platform) {
  const version = pinnedLibtorch[variant];
  return variant === 'cpu' && platform === 'linux' ? `torch==${version}+cpu` : `torch==${version}`;
}

/**
 * @typedef {object} PinnedWheels
 * @property {string} file requirements with hashes, as pip reads them
 * @property {ReadonlySet<string>} hashes SHA-256 of all of them, in lower-case hex
 */

/**
 * The wheels whose hashes are recorded for a system, or null where none are.
 *
 * @param {Variant} variant
 * @returns {PinnedWheels | null}
 */
export function pinnedWheels(variant, platform = process.platform, arch = process.arch) {
  const file = fileURLToPath(new URL(`wheels/${variant}-${platform}-${arch}.txt`, import.meta.url));
  if (!existsSync(file)) return null;
  const hashes = [...readFileSync(file, 'utf8').matchAll(/--hash=sha256:([0-9a-f]{64})\s/g)];
  return { file, hashes: new Set(hashes.map((match) => String(match[1]))) };
}

/** The Python that the pinned wheels are for, and the systems: pip is told, whatever Python it runs in. */
export const wheelTarget = [
  ...['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--abi', 'abi3', '--abi', 'none'],
  ...[
    'manylinux_2_28',
    'manylinux_2_27',
    'manylinux_2_25',
    'manylinux_2_18',
    'manylinux_2_17',
    'manylinux2014',
  ].flatMap((tag) => ['--platform', `${tag}_x86_64`]),
];
