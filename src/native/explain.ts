import { type ErrorCode, ResnetTorchError } from '../errors.js';
import { isError } from '../kinds.js';
import type { Variant } from './variants.js';

interface Symptom {
  /** What the system's loader says. */
  readonly sign: RegExp;
  readonly code: ErrorCode;
  /** What it means and the way out; `build` is the command that sets the variant up. */
  readonly message: (build: string) => string;
}

/** The first that fits counts. */
const symptoms: readonly Symptom[] = [
  {
    sign: /^(?=.*lib(gomp|omp|iomp5)\b)(?=.*(cannot open|no such file|not loaded|image not found))/is,
    code: 'ERR_LIBTORCH_NOT_FOUND',
    message: () =>
      "libtorch's OpenMP runtime was not found: install libgomp1 (Debian), libgomp (Fedora) or libomp (macOS).",
  },
  {
    sign: /^(?=.*lib(torch|c10)\w*\.(so|dylib))(?=.*(cannot open|no such file|not loaded|image not found))/is,
    code: 'ERR_LIBTORCH_NOT_FOUND',
    message: (build) => `The addon is there, but the libtorch it needs is not. \`${build}\` puts it in its place.`,
  },
  {
    sign: /lib(cudart|cudnn|cublas|cufft|cupti|curand|cusolver|cusparse|nccl|nvrtc|nvjitlink|nvshmem)\w*[.\d]*\.so/i,
    code: 'ERR_LIBTORCH_NOT_FOUND',
    message: (build) =>
      `A CUDA library that libtorch needs was not found. \`${build}\` fetches them, or install CUDA's runtime.`,
  },
  {
    sign: /libjpeg/,
    code: 'ERR_ADDON_LOAD',
    message: () =>
      'libjpeg-turbo was not found: install libjpeg62-turbo (Debian), libjpeg-turbo8 (Ubuntu) or libjpeg-turbo (Fedora).',
  },
  {
    sign: /(GLIBC|GLIBCXX|CXXABI)_[\d.]+.* not found|version .GLIBC/,
    code: 'ERR_ADDON_LOAD',
    message: (build) =>
      `The addon or its libtorch was built for a newer system than this one. \`${build}\` builds it here.`,
  },
  {
    sign: /static TLS block/i,
    code: 'ERR_ADDON_LOAD',
    message: () =>
      'Another library took the room that libtorch needs before it was loaded: load resnet-torch first, or name ' +
      'the library of this message in LD_PRELOAD.',
  },
  {
    sign: /failed to map segment/i,
    code: 'ERR_ADDON_LOAD',
    message: () =>
      'The system does not let the library be run: its file system is mounted with noexec, or a policy forbids it. ' +
      'Install the package where programs may be run.',
  },
  {
    sign: /undefined symbol|symbol not found/i,
    code: 'ERR_LIBTORCH_VERSION',
    message: (build) =>
      `The addon was built against another libtorch than the one it met. \`${build}\` builds it again.`,
  },
  {
    sign: /wrong ELF class|invalid ELF header|incompatible architecture|file too short|not a mach-o/i,
    code: 'ERR_ADDON_LOAD',
    message: (build) =>
      `The addon is damaged, or for another processor than ${process.arch}. \`${build} --force\` builds it here.`,
  },
];

/** What a failure to load the addon means, told by its symptom, and the way out. */
export function explainLoadFailure(error: unknown, variant: Variant): ResnetTorchError {
  const reason = isError(error) ? error.message : String(error);
  const build = setupCommand(variant);
  const symptom = symptoms.find(({ sign }) => sign.test(reason));
  const message =
    symptom?.message(build) ?? `The native addon could not be loaded. \`${build} --force\` builds it again.`;
  const other = variant === 'cuda' ? ' RESNET_TORCH_VARIANT=cpu takes the CPU variant in its place.' : '';
  return new ResnetTorchError(symptom?.code ?? 'ERR_ADDON_LOAD', `${message}${other}\n(${reason})`, { cause: error });
}

export function setupCommand(variant: Variant): string {
  return `npx resnet-torch setup${variant === 'cuda' ? ' --device cuda' : ''}`;
}
