/** Looks for what the native build needs, and names all that is missing at once with the packages that hold it. */

import { existsSync } from 'node:fs';
import { findToolkit } from './cuda-toolkit.mjs';
import { SetupError } from './errors.mjs';
import { tryRun } from './run.mjs';

const cxxTest = '#include <concepts>\n#include <span>\nstatic_assert(std::integral<int>);\nint main() { return 0; }\n';
/** Cropped reading is libjpeg-turbo's own; the older libjpeg has the same header without it. */
const jpegTest =
  '#include <cstdio>\n#include <jpeglib.h>\nauto crop = &jpeg_crop_scanline;\nint main() { return crop == nullptr; }\n';

/** Oldest CMake that CMakeLists.txt accepts. */
const minimumCmake = [3, 21];

const packages = {
  compiler: {
    what: 'a C++20 compiler (g++ 11 or clang 14, or newer)',
    debian: 'g++',
    fedora: 'gcc-c++',
    macos: 'the command line tools: xcode-select --install',
  },
  cmake: { what: `CMake ${minimumCmake.join('.')} or newer`, debian: 'cmake', fedora: 'cmake', macos: 'cmake' },
  make: { what: 'Ninja or Make', debian: 'ninja-build', fedora: 'ninja-build', macos: 'ninja' },
  jpeg: {
    what: "libjpeg-turbo's headers",
    debian: 'libjpeg-dev',
    fedora: 'libjpeg-turbo-devel',
    macos: 'jpeg-turbo',
  },
  nvcc: {
    what: 'nvcc of CUDA 13 (CUDA_HOME names the toolkit where it is not on the path)',
    debian: "cuda-nvcc-13-0 cuda-cudart-dev-13-0   (from NVIDIA's repository)",
    fedora: "cuda-nvcc-13-0 cuda-cudart-devel-13-0   (from NVIDIA's repository)",
    macos: '',
  },
};

/** @typedef {keyof typeof packages} Tool */

/** Where Homebrew keeps libjpeg-turbo, which it does not link into its prefix; CMake is told too. */
export function jpegPrefix() {
  if (process.platform !== 'darwin') return null;
  return ['/opt/homebrew/opt/jpeg-turbo', '/usr/local/opt/jpeg-turbo'].find((folder) => existsSync(folder)) ?? null;
}

/** @param {import('./pins.mjs').Variant} variant @returns {Promise<Tool[]>} */
async function missingTools(variant) {
  const compiler = process.env.CXX || 'c++';
  const prefix = jpegPrefix();
  const include = prefix === null ? [] : [`-I${prefix}/include`];
  const compiles = async (/** @type {string} */ source) => {
    const args = ['-std=c++20', ...include, '-fsyntax-only', '-x', 'c++', '-'];
    return (await tryRun(compiler, args, { input: source })).code === 0;
  };
  const runs = async (/** @type {string} */ program) => (await tryRun(program, ['--version'])).code === 0;
  const hasCompiler = await compiles(cxxTest);
  /** @type {Tool[]} */
  const missing = [];
  if (!hasCompiler) missing.push('compiler');
  if (!(await hasCmake())) missing.push('cmake');
  if (!(await runs('ninja')) && !(await runs('make'))) missing.push('make');
  if (hasCompiler ? !(await compiles(jpegTest)) : !existsSync('/usr/include/jpeglib.h')) missing.push('jpeg');
  if (variant === 'cuda' && findToolkit() === null) missing.push('nvcc');
  return missing;
}

async function hasCmake() {
  const { code, output } = await tryRun('cmake', ['--version']);
  const version = output
    .match(/version (\d+)\.(\d+)/)
    ?.slice(1)
    .map(Number);
  if (code !== 0 || version === undefined) return false;
  const [major = 0, minor = 0] = version;
  return major > Number(minimumCmake[0]) || (major === minimumCmake[0] && minor >= Number(minimumCmake[1]));
}

/**
 * @param {import('./pins.mjs').Variant} variant
 * @throws SetupError that lists what is missing and how to install it on Debian, Fedora and macOS
 */
export async function requireToolchain(variant) {
  const missing = await missingTools(variant);
  if (missing.length > 0) throw new SetupError(explainMissing(missing));
}

/** @param {readonly Tool[]} missing */
export function explainMissing(missing) {
  const named = missing.map((tool) => packages[tool]);
  const list = (/** @type {'debian' | 'fedora'} */ system) => named.map((entry) => entry[system]).join(' ');
  const brewed = missing.filter((tool) => tool !== 'compiler').map((tool) => packages[tool].macos);
  const macos = [
    ...(missing.includes('compiler') ? ['xcode-select --install'] : []),
    ...(brewed.length > 0 ? [`brew install ${brewed.join(' ')}`] : []),
  ];
  const hasMacos = !missing.includes('nvcc');
  return [
    `The native part cannot be built here. Missing: ${named.map((entry) => entry.what).join('; ')}.`,
    `  Debian, Ubuntu:  sudo apt-get install ${list('debian')}`,
    `  Fedora:          sudo dnf install ${list('fedora')}`,
    ...(hasMacos ? [`  macOS:           ${macos.join(' && ')}`] : []),
    'Then run the set-up again; what it has done already is kept.',
  ].join('\n');
}
