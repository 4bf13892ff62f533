import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diagnose, type Examination, type Probe, showDoctor } from '../../src/cli/doctor-report.js';
import { failing, status } from '../native/support/cuda.js';
import { resnetTorch } from './support/command.js';

const cpu: Probe = { libtorch: '2.13.0', cuda: null, error: null };
const cuda: Probe = { libtorch: '2.14.1', cuda: status, error: null };
const broken: Probe = { libtorch: null, cuda: null, error: { code: 'ERR_LIBTORCH_NOT_FOUND', message: 'no libtorch' } };

const sound: Examination = {
  resnetTorch: '0.1.0',
  node: 'v20.20.0',
  oldestNode: '20.19',
  platform: 'linux-x64',
  host: { deviceSeen: true, driver: '580.65.06', visible: null },
  built: ['cpu', 'cuda'],
  wanted: null,
  probes: { cpu, cuda },
};
const withoutCard: Examination = {
  ...sound,
  host: { deviceSeen: false, driver: null, visible: null },
  built: ['cpu'],
  probes: { cpu },
};

describe('resnet-torch doctor', () => {
  it('has nothing to say against a machine that is in order', () => {
    const report = diagnose(sound);
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.usable, report.variant, report.device], [true, 'cuda', 'cuda:0']);
    const text = showDoctor(report);
    for (const part of [
      /cpu +2\.13\.0 +loads\n/,
      /cuda +2\.14\.1 +loads, and is the one in use/,
      /NVIDIA driver +580\.65\.06, serves CUDA 13\.0/,
      /CUDA runtime +13\.0, cuDNN 9\.24\.0/,
      /cuda:0 +NVIDIA A100, compute capability 8\.0, 80\.0 GiB/,
      /computes on cuda:0, by the cuda variant/,
    ])
      assert.match(text, part);
  });

  it('says nothing of CUDA where there is no card and no variant for one', () => {
    const report = diagnose(withoutCard);
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.usable, report.device], [true, 'cpu']);
    assert.match(showDoctor(report), /cuda +– +not built\n.*NVIDIA driver +none\nCUDA devices +none/s);
  });

  it('says what keeps a card from being used, and goes on with the CPU', () => {
    const cases: readonly (readonly [Examination, RegExp])[] = [
      [{ ...sound, built: ['cpu'], probes: { cpu } }, /variant of the package is not built; .*setup --device cuda/],
      [{ ...sound, wanted: 'cpu' }, /RESNET_TORCH_VARIANT=cpu asks/],
      [
        { ...sound, probes: { cpu, cuda: { ...cuda, cuda: { ...status, ...failing(35, 'old', 12080) } } } },
        /serves CUDA 12\.8/,
      ],
    ];
    for (const [examination, message] of cases) {
      const report = diagnose(examination);
      assert.deepEqual([report.usable, report.device], [true, 'cpu']);
      assert.match(report.findings[0]?.message ?? '', message);
      assert.match(showDoctor(report), message);
    }
  });

  it('tells of each card that cannot be used', () => {
    const old = { name: 'NVIDIA V100', capability: [7, 0], memoryBytes: 2 ** 34 } as const;
    const devices = [...status.devices, old];
    const report = diagnose({ ...sound, probes: { cpu, cuda: { ...cuda, cuda: { ...status, devices } } } });
    assert.equal(report.device, 'cuda:0');
    assert.deepEqual(
      report.findings.map(({ fatal }) => fatal),
      [false],
    );
    assert.match(report.findings[0]?.message ?? '', /^cuda:1 cannot be computed on: .*V100.*7\.0/);
  });

  it('knows when nothing works', () => {
    const cases: readonly (readonly [Examination, RegExp])[] = [
      [{ ...withoutCard, built: [], probes: {} }, /cpu variant .* is not built: run `npx resnet-torch setup`/],
      [
        { ...withoutCard, wanted: 'cuda' },
        /cuda variant .* not built: .*--device cuda.*RESNET_TORCH_VARIANT=cpu takes/,
      ],
      [{ ...withoutCard, wanted: 'tpu' }, /RESNET_TORCH_VARIANT is "tpu"/],
      [{ ...withoutCard, probes: { cpu: broken } }, /does not load \(ERR_LIBTORCH_NOT_FOUND\): no libtorch/],
      [{ ...sound, probes: { cpu, cuda: broken } }, /cuda variant does not load/],
      [{ ...withoutCard, node: 'v20.18.1' }, /Node v20\.18\.1 is too old: install Node 20\.19/],
    ];
    for (const [examination, message] of cases) {
      const report = diagnose(examination);
      assert.deepEqual([report.usable, report.device, report.findings[0]?.fatal], [false, null, true]);
      assert.match(report.findings[0]?.message ?? '', message);
      assert.match(showDoctor(report), /cannot be used here/);
    }
  });

  it('tells of a variant that does not load and is not used', () => {
    const report = diagnose({ ...sound, wanted: 'cpu', probes: { cpu, cuda: broken } });
    assert.equal(report.usable, true);
    assert.match(
      report.findings.map(({ message }) => message).join('\n'),
      /The cuda variant does not load: no libtorch/,
    );
  });

  it('finds this machine fit, and says so to programs', async () => {
    const { code, stdout, stderr } = await resnetTorch(['doctor', '--json']);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as { usable: boolean; device: string; built: string[]; variant: string };
    assert.equal(report.usable, true);
    assert.ok(report.built.includes(report.variant));
    assert.match(report.device, /^(cpu|cuda:0)$/);
  });

  it('exits with 1 where the package cannot be used', async () => {
    const { code, stdout, stderr } = await resnetTorch(['doctor'], { env: { RESNET_TORCH_VARIANT: 'tpu' } });
    assert.equal(code, 1);
    assert.match(stdout, /- RESNET_TORCH_VARIANT is "tpu"/);
    assert.match(stderr, /what is printed above says why/);
  });
});
