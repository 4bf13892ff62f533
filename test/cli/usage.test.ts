import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { main } from '../../src/cli/cli.js';
import { parser } from '../../src/cli/parser.js';
import { storedHelp } from '../../src/cli/stored-help.js';
import { projectRoot, temporaryDirectory } from '../support/paths.js';
import { inProcess, resnetTorch } from './support/command.js';

/** What `--help` prints, in this process: yargs prints it by `console.log`. */
async function help(t: TestContext, command: string): Promise<string> {
  const log = t.mock.method(console, 'log', () => {});
  assert.equal(await main([command, '--help']), 0);
  log.mock.restore();
  return log.mock.calls.map(({ arguments: parts }) => parts.join(' ')).join('\n');
}

const COMMANDS = ['train', 'eval', 'predict', 'serve', 'export', 'inspect', 'cache', 'doctor', 'setup', 'completion'];

describe('resnet-torch --help', () => {
  it('lists the commands without loading libtorch', async () => {
    const { code, stdout } = await resnetTorch(['--help'], { env: { RESNET_TORCH_LIBTORCH: '/nowhere' } });
    assert.equal(code, 0);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`resnet-torch ${name}`));
  });

  it('prints what the build has stored, which is what it would make', async (t) => {
    const stored = storedHelp(['--help']) ?? assert.fail('the build has stored no help');
    assert.equal((await resnetTorch(['--help'])).stdout, stored);
    const log = t.mock.method(console, 'log', () => {});
    await parser(['--help']).parseAsync();
    log.mock.restore();
    assert.equal(`${log.mock.calls[0]?.arguments.join(' ')}\n`, stored);
    assert.equal(storedHelp(['train', '--help']), null);
  });

  for (const name of COMMANDS) {
    it(`has options and examples for ${name}`, async (t) => {
      const stdout = await help(t, name);
      assert.match(stdout, /Examples:/);
      assert.match(stdout, new RegExp(`Examples:\\s+.*resnet-torch ${name}`));
    });
  }

  it('lists every shared flag of train', async (t) => {
    const stdout = await help(t, 'train');
    const flags =
      'epochs batch-size image-size resize lr head-lr weight-decay optimizer schedule warmup-epochs schedule-power freeze freeze-until ' +
      'freeze-fraction freeze-match batch-norm lr-tiers augment crop-scale crop-ratio vertical-flip color-jitter grayscale random-erasing head dropout seed workers threads device precision loss-scale cuda-graph ' +
      'strategy weights out overwrite skip-corrupt val-split cache cache-views json';
    for (const name of flags.split(' ')) assert.match(stdout, new RegExp(`--${name}\\b`), name);
  });

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
    assert.equal((await resnetTorch(['--version'])).stdout.trim(), version);
  });
});

describe('wrong usage exits 2 with one message', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no command', [], /Name a command/],
    ['an unknown command', ['trian', 'data'], /no command "trian".*Did you mean train\?/],
    ['an unknown option', ['train', 'data', '--epoch', '3'], /no option --epoch\. Did you mean --epochs\?/],
    ['an unknown option far from any', ['train', 'data', '--zzzzzzzzzz'], /no option --zzzzzzzzzz/],
    [
      'an unknown option of eval',
      ['eval', 'run', 'data', '--imagesize', '64'],
      /no option --imagesize\. Did you mean --image-size\?/,
    ],
    ['a missing argument', ['eval', 'run'], /1 of 2 arguments given\. Usage: resnet-torch eval <model> <data>/],
    ['an argument too many', ['eval', 'run', 'data', 'more'], /"more" is one too many/],
    ['a rate of zero', ['train', 'data', '--lr', '0'], /--lr takes a number above 0, not "0"/],
    ['a rate that is not a number', ['train', 'data', '--lr', 'NaN'], /--lr takes a number above 0, not "NaN"/],
    ['a negative rate', ['train', 'data', '--head-lr', '-1'], /--head-lr takes a number above 0, not "-1"/],
    ['a rate without a value', ['train', 'data', '--lr'], /--lr needs a value/],
    [
      'half an epoch',
      ['train', 'data', '--epochs', '1.5'],
      /--epochs takes a whole number of 1 or more, at most 1000000, not "1.5"/,
    ],
    [
      'a tiny image size',
      ['train', 'data', '--image-size', '16'],
      /--image-size takes a whole number of 32 or more, at most 4096, not "16"/,
    ],
    [
      'an unknown strategy',
      ['train', 'data', '--strategy', 'diferential'],
      /--strategy cannot be "diferential".*Did you mean differential\?/,
    ],
    [
      'an unknown optimizer',
      ['train', 'data', '--optimizer', 'adagrad'],
      /--optimizer cannot be "adagrad": it takes sgd, adam, adamw, /,
    ],
    [
      'settings of an optimizer without a value',
      ['train', 'data', '--optimizer', 'sgd', '--optimizer-options', 'momentum'],
      /--optimizer-options takes NAME=NUMBER, NAME=true or NAME=false, such as .*, not "momentum"/,
    ],
    [
      'a setting given twice',
      ['train', 'data', '--optimizer-options', 'beta1=0.8,beta1=0.9'],
      /--optimizer-options .*: beta1 is given twice/,
    ],
    [
      'two freeze rules',
      ['train', 'data', '--freeze', 'none', '--freeze-until', 'layer1'],
      /--freeze and --freeze-until exclude each other/,
    ],
    [
      'a share above one',
      ['train', 'data', '--freeze-fraction', '1.5'],
      /--freeze-fraction takes a number of 0 or more, at most 1/,
    ],
    ['a broken expression', ['train', 'data', '--freeze-match', '('], /--freeze-match takes a regular expression/],
    [
      'tiers that do not rise',
      ['train', 'data', '--lr-tiers', '0.5:1e-4,0.25:1e-3'],
      /--lr-tiers .*tiers\[1\]\.until must be/,
    ],
    ['a tier without a rate', ['train', 'data', '--lr-tiers', '1'], /--lr-tiers 1: .*"1" is not/],
    ['a crop of one number', ['train', 'data', '--crop-scale', '0.5'], /--crop-scale takes two shares.*not "0.5"/],
    ['a crop beyond the picture', ['train', 'data', '--crop-scale', '0.5,2'], /cropScale/],
    [
      'a scale of a centre crop',
      ['train', 'data', '--augment', 'flip', '--crop-scale', '0.5,1'],
      /cropScale \(--crop-scale\) is for random crops/,
    ],
    ['a jitter of two numbers', ['train', 'data', '--color-jitter', '1,2'], /--color-jitter takes one number/],
    [
      'a probability above one',
      ['train', 'data', '--random-erasing', '2'],
      /--random-erasing takes a number of 0 or more, at most 1, not "2"/,
    ],
    ['a head of words', ['train', 'data', '--head', 'big'], /--head takes hidden widths/],
    ['an unknown unit', ['inspect', '--freeze-until', 'layer5'], /layer5/],
    ['two output formats', ['predict', 'run', 'a.jpg', '--json', '--csv'], /exclude each other/],
    [
      'zero classes of a prediction',
      ['predict', 'run', 'a.jpg', '--top-k', '0'],
      /--top-k takes a whole number of 1 or more/,
    ],
    ['the last of two rates', ['train', 'data', '--lr', '1e-3', '--lr', '0'], /--lr takes a number above 0, not "0"/],
    ['a run to continue without its name', ['train', 'data', '--resume'], /--resume needs --out/],
    ['no format', ['export', 'run'], /--format is missing/],
    [
      'an unknown format',
      ['export', 'run', '--format', 'onx'],
      /--format cannot be "onx": it takes onnx, torchvision, safetensors, fp16\. Did you mean onnx\?/,
    ],
    ['an opset of words', ['export', 'run', '--format', 'onnx', '--opset', 'new'], /--opset takes a whole number/],
    [
      'an old opset',
      ['export', 'run', '--format', 'onnx', '--opset', '9'],
      /--opset takes a whole number of 13 or more/,
    ],
    [
      'what only ONNX has',
      ['export', 'run', '--format', 'fp16', '--softmax'],
      /softmax is for the format onnx; fp16 has no such thing/,
    ],
    [
      'an unknown device',
      ['eval', 'run', 'data', '--device', 'gpu'],
      /--device takes auto, cpu, cuda or cuda:N, not "gpu"/,
    ],
    [
      'a loss scale of zero',
      ['train', 'data', '--loss-scale', '0'],
      /--loss-scale takes dynamic or a number above 0, at most 16777216, not "0"/,
    ],
    [
      'a loss scale in words',
      ['train', 'data', '--loss-scale', 'automatic'],
      /--loss-scale takes dynamic or a number above 0, at most 16777216, not "automatic"/,
    ],
    ['an unknown variant', ['setup', '--device', 'tpu'], /--device cannot be "tpu": it takes cpu, cuda/],
  ];
  for (const [what, args, message] of cases) {
    it(what, async (t) => {
      const { code, stderr } = await inProcess(t, args);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
      assert.equal(code, 2);
    });
  }

  it('in a process of its own too, with nothing on standard output', async () => {
    const { code, stdout, stderr } = await resnetTorch(['train', 'data', '--epoch', '3']);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /no option --epoch\. Did you mean --epochs\?/);
  });
});

describe('failures exit 1 with a message that names the thing', () => {
  it('a folder that is not there', async (t) => {
    const missing = join(await temporaryDirectory(t), 'nowhere');
    const { code, stderr } = await inProcess(t, ['train', missing, '--weights', 'none']);
    assert.equal(code, 1);
    assert.match(stderr, /nowhere.*\(ERR_DATASET\)/s);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
  });

  it('an output folder that holds something', async (t) => {
    const folder = await temporaryDirectory(t);
    const out = join(folder, 'run');
    mkdirSync(out);
    writeFileSync(join(out, 'note.txt'), 'mine');
    const { code, stderr } = await inProcess(t, ['train', join(folder, 'data'), '--out', out, '--weights', 'none']);
    assert.equal(code, 1);
    assert.match(stderr, /--overwrite.*\(ERR_OUTPUT_EXISTS\)/s);
    assert.equal(readFileSync(join(out, 'note.txt'), 'utf8'), 'mine');
  });

  it('a model that is not there', async (t) => {
    const missing = join(await temporaryDirectory(t), 'no-run');
    const { code, stderr } = await inProcess(t, ['predict', missing, 'a.jpg']);
    assert.equal(code, 1);
    assert.match(stderr, /no-run/);
  });

  it('class names that cannot be read', async (t) => {
    const folder = await temporaryDirectory(t);
    const { code, stderr } = await inProcess(t, [
      'eval',
      join(folder, 'x'),
      folder,
      '--classes',
      join(folder, 'none.txt'),
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /none\.txt.*\(ERR_FILE\)/s);
  });
});
