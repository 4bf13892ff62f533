import type { NativeCudaStatus } from '../native/contract/device.js';
import { type CudaMachine, cudaProblem, cudaVersion, cudnnVersion } from '../native/cuda.js';
import { setupCommand } from '../native/explain.js';
import { type CudaHost, chooseVariant, unknownVariant, VARIANTS, type Variant } from '../native/variants.js';
import { table } from './table.js';

/** What a process that loaded the addon of a variant says of it. */
export interface Probe {
  /** Null where it did not load. */
  readonly libtorch: string | null;
  readonly cuda: NativeCudaStatus | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface Examination {
  readonly resnetTorch: string;
  /** Such as `v20.20.0`, and the oldest that is served. */
  readonly node: string;
  readonly oldestNode: string;
  readonly platform: string;
  readonly host: CudaHost;
  readonly built: readonly Variant[];
  /** RESNET_TORCH_VARIANT, null where it is not set. */
  readonly wanted: string | null;
  /** Of each variant that is built. */
  readonly probes: Readonly<Partial<Record<Variant, Probe>>>;
}

export interface Finding {
  /** Whether the package cannot be used because of it, or only not on a CUDA device. */
  readonly fatal: boolean;
  readonly message: string;
}

export interface DoctorReport extends Examination {
  /** The variant that this machine loads; null where RESNET_TORCH_VARIANT names none. */
  readonly variant: Variant | null;
  /** What `--device auto` computes on; null where the package cannot be used. */
  readonly device: 'cpu' | 'cuda:0' | null;
  readonly findings: readonly Finding[];
  readonly usable: boolean;
}

/** What an examination comes to: what is wrong, what to do, and what is computed on. */
export function diagnose(examination: Examination): DoctorReport {
  const variant = variantOf(examination);
  const fatal = [nodeFinding(examination), loadFinding(examination, variant)].filter((message) => message !== null);
  const usable = fatal.length === 0 && variant !== null;
  const machine = { ...examination, status: (variant === null ? null : examination.probes[variant]?.cuda) ?? null };
  const notes = [...otherVariant(examination, variant), ...(usable ? cudaNotes(machine) : [])];
  return {
    ...examination,
    variant,
    device: usable ? (cudaProblem(machine, 0) === null ? 'cuda:0' : 'cpu') : null,
    findings: [
      ...fatal.map((message) => ({ fatal: true, message })),
      ...notes.map((message) => ({ fatal: false, message })),
    ],
    usable,
  };
}

function variantOf({ wanted, built, host }: Examination): Variant | null {
  const isKnown = wanted === null || VARIANTS.some((variant) => variant === wanted);
  return isKnown ? chooseVariant(wanted ?? undefined, built, host) : null;
}

function nodeFinding({ node, oldestNode }: Examination): string | null {
  const parts = (version: string): readonly number[] => version.replace(/^v/, '').split('.').map(Number);
  const [major = 0, minor = 0] = parts(node);
  const [oldMajor = 0, oldMinor = 0] = parts(oldestNode);
  const isOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  return isOld ? `Node ${node} is too old: install Node ${oldestNode} or newer.` : null;
}

function loadFinding({ built, wanted, probes }: Examination, variant: Variant | null): string | null {
  if (variant === null) return unknownVariant(wanted);
  if (!built.includes(variant)) {
    const other = built[0] === undefined ? '' : ` RESNET_TORCH_VARIANT=${built[0]} takes the other one.`;
    return `The ${variant} variant of the native part is not built: run \`${setupCommand(variant)}\`.${other}`;
  }
  const error = probes[variant]?.error ?? null;
  return error === null ? null : `The ${variant} variant does not load (${error.code}): ${error.message}`;
}

function otherVariant({ built, probes }: Examination, variant: Variant | null): string[] {
  return built.flatMap((other) => {
    const error = probes[other]?.error ?? null;
    return other === variant || error === null ? [] : [`The ${other} variant does not load: ${error.message}`];
  });
}

/** Nothing is said of CUDA where neither a device nor the variant for it is there. */
function cudaNotes(machine: CudaMachine): string[] {
  if (!machine.host.deviceSeen && !machine.built.includes('cuda')) return [];
  const count = Math.max(1, machine.status?.devices.length ?? 0);
  const problems = Array.from({ length: count }, (_, index) => ({ index, problem: cudaProblem(machine, index) }));
  const messages = problems.flatMap(({ index, problem }) => {
    if (problem === null) return [];
    const isOne = problem.reason === 'capability';
    return [`${isOne ? `cuda:${index}` : 'CUDA'} cannot be computed on: ${problem.message}.`];
  });
  return [...new Set(messages)];
}

/** The report for people. */
export function showDoctor(report: DoctorReport): string {
  const { resnetTorch, node, platform, variant, probes, host } = report;
  const rows = VARIANTS.map((name) => [name, probes[name]?.libtorch ?? '–', stateOf(report, name)]);
  const status = probes.cuda?.cuda ?? null;
  const lines = [
    `resnet-torch ${resnetTorch}, Node ${node}, ${platform}`,
    '',
    table(['variant', 'libtorch', ''], rows),
    '',
    `NVIDIA driver  ${describeDriver(host, status)}`,
  ];
  if (status !== null) lines.push(`CUDA runtime   ${cudaVersion(status.runtime)}, cuDNN ${cudnnVersion(status.cudnn)}`);
  lines.push(...describeDevices(host, status), '');
  if (report.device !== null) lines.push(`\`--device auto\` computes on ${report.device}, by the ${variant} variant.`);
  else lines.push('The package cannot be used here as it is.');
  if (report.findings.length > 0) lines.push('', ...report.findings.map(({ message }) => `- ${message}`));
  return lines.join('\n');
}

function stateOf({ built, probes, variant }: DoctorReport, name: Variant): string {
  if (!built.includes(name)) return 'not built';
  if (probes[name]?.error != null) return 'does not load';
  return name === variant ? 'loads, and is the one in use' : 'loads';
}

function describeDriver(host: CudaHost, status: NativeCudaStatus | null): string {
  const serves = status !== null && status.driver > 0 ? `serves CUDA ${cudaVersion(status.driver)}` : '';
  if (host.driver === null) return serves === '' ? 'none' : `there, ${serves}`;
  return serves === '' ? host.driver : `${host.driver}, ${serves}`;
}

function describeDevices(host: CudaHost, status: NativeCudaStatus | null): string[] {
  if (status === null) return [`CUDA devices   ${host.deviceSeen ? 'there; the CUDA variant can list them' : 'none'}`];
  if (status.devices.length === 0) return ['CUDA devices   none'];
  return status.devices.map(
    ({ name, capability, memoryBytes }, index) =>
      `cuda:${index}         ${name}, compute capability ${capability.join('.')}, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB`,
  );
}
