import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { main } from '../../src/cli/cli.js';
import { flagOf, hasFlag } from '../../src/cli/flags.js';
import { withRanges } from '../../src/cli/options.js';
import { number } from '../../src/option-text.js';
import { OPTION_ROWS } from '../../src/training/option-values.js';
import { inProcess } from './support/command.js';

const NONE = ['abc', '', ' ', 'NaN', 'Infinity', '-Infinity', '1e400', '0x10', '0b1', '1_000', '1,5', ' 5', '5 %', '٣'];

/** The options of `train` that read a number. */
const flags = OPTION_ROWS.flatMap(([name, { type }]) =>
  type.kind === 'number' && hasFlag(name) ? [flagOf(name)] : [],
);

describe('an option that takes a number', () => {
  it('is one of many', () => {
    for (const name of ['lr', 'dropout', 'batch-size', 'workers', 'image-size']) assert.ok(flags.includes(name), name);
  });

  for (const flag of flags) {
    it(`--${flag} refuses what is none, with exit code 2`, async (t) => {
      for (const value of NONE) {
        const { code, stderr } = await inProcess(t, ['train', 'data', `--${flag}=${value}`]);
        assert.equal(code, 2, value);
        assert.match(stderr, new RegExp(`--${flag} (takes a .*number|needs a value)`), value);
      }
    });
  }

  it('refuses the same where several make one value', async (t) => {
    for (const args of [
      ['--lr-tiers', '0x1:1e-3'],
      ['--lr-tiers', '0.5:Infinity,1:1e-3'],
      ['--head', '0x400'],
      ['--head', '1e400'],
      ['--head', ''],
      ['--loss-scale', '0x10'],
      ['--loss-scale', '1e400'],
    ]) {
      const { code, stderr } = await inProcess(t, ['train', 'data', ...args]);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, new RegExp(`${args[0]}`));
    }
  });

  it('takes what people write', () => {
    const read = number('lr', { exclusiveMin: 0 });
    for (const [text, value] of [
      ['1e-3', 0.001],
      ['.5', 0.5],
      ['5.', 5],
      ['+2E+1', 20],
      ['007', 7],
    ] as const) {
      assert.equal(read(text), value);
    }
    assert.throws(() => number('seed', { integer: true })('9007199254740993'), /whole number/);
    assert.throws(
      () => read('9'.repeat(5000)),
      (error: Error) => error.message.length < 200,
    );
  });

  it('says its range in --help, and other options their type', async (t) => {
    const log = t.mock.method(console, 'log', () => {});
    assert.equal(await main(['train', '--help']), 0);
    log.mock.restore();
    const help = log.mock.calls
      .map(({ arguments: parts }) => parts.join(' '))
      .join('\n')
      .replaceAll(/\s+/g, ' ');
    assert.match(help, /--epochs .*?\[whole number, 1 to 1000000\]/);
    assert.match(help, /--lr [^[]*\[number above 0\]/);
    assert.match(help, /--freeze-fraction [^[]*\[number, 0 to 1\]/);
    assert.match(help, /--workers [^[]*\[whole number, 1 to 1024\]/);
    assert.match(help, /--device [^[]*\[string\]/);
    assert.match(help, /--head [^[]*\[string\]/);
  });

  it('has every kind of range in words', () => {
    const described = (range: Parameters<typeof number>[1]) =>
      withRanges({ x: { description: 'X', coerce: number('x', range) } }).x.description;
    assert.equal(described({}), 'X  [number]');
    assert.equal(described({ max: 3 }), 'X  [number, at most 3]');
    assert.equal(described({ min: 0, exclusiveMax: 1 }), 'X  [number, 0 or more, below 1]');
    assert.equal(described({ exclusiveMin: 0, max: 0.9 }), 'X  [number above 0, at most 0.9]');
    assert.equal(described({ integer: true, min: 0, max: Number.MAX_SAFE_INTEGER }), 'X  [whole number, 0 or more]');
  });
});
