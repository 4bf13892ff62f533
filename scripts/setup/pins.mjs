/** The versions that the package is built against and tested with, and where they come from. */

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
 * SHA-256 of official archives, by file name. None is recorded yet: such a file is checked by its length and by the
 * CRC-32 of every member.
 *
 * @type {Readonly<Record<string, string>>}
 */
export const sha256 = {};

/**
 * The official archive's place below the base address, or null where PyTorch publishes none for this system.
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
