import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { main } from '../../src/cli/cli.js';
import { flagOf, hasFlag } from '../../src/cli/flags.js';
import { ResnetTorchError } from '../../src/errors.js';
import { OPTIONS } from '../../src/training/option-table.js';
import {
  checkedValues,
  checkTrainOptions,
  namesOf,
  OPTION_ROWS,
  type OptionName,
  TRAIN_OPTION_NAMES,
} from '../../src/training/option-values.js';
import { resolveConditions } from '../../src/training/settings.js';
import { invalid } from '../support/invalid.js';
import { projectRoot } from '../support/paths.js';

/** What no option takes. */
const NOTHING_TAKES = Symbol('none');

describe('a row of the option table', () => {
  it('has a default that it would take itself, or says what holds otherwise, not both', () => {
    for (const [name, { type, default: value, otherwise }] of OPTION_ROWS) {
      assert.ok(value === undefined || otherwise === undefined, name);
      if (value !== undefined) assert.equal(type.check(value, name), value, name);
    }
  });

  it('says why where the command line has no flag for it', () => {
    const without = OPTION_ROWS.filter(([name]) => !hasFlag(name));
    assert.deepEqual(
      without.map(([name]) => name),
      ['signal', 'onEpoch', 'groups'],
    );
    for (const [name, { noFlag, type }] of without) {
      assert.equal(type.kind, 'code', name);
      assert.ok((noFlag ?? '').length > 10, name);
    }
    for (const [name, { type }] of OPTION_ROWS) assert.equal(hasFlag(name), type.kind !== 'code', name);
  });

  it('speaks of rows that there are', () => {
    const names = OPTION_ROWS.map(([name]) => name as string);
    for (const [name, { conflicts = [], implies }] of OPTION_ROWS) {
      for (const other of [...conflicts, ...(implies === undefined ? [] : [implies])]) {
        assert.ok(names.includes(other), `${name}: ${other}`);
      }
    }
  });

  it('has help without a full stop or a default in it, since both are added', () => {
    for (const [name, { help }] of OPTION_ROWS) assert.doesNotMatch(help, /\.$|default/, name);
  });
});

describe('train()', () => {
  it('checks every option of the table, and names it', () => {
    for (const name of TRAIN_OPTION_NAMES) {
      assert.throws(
        () => checkedValues({ [name]: NOTHING_TAKES }, [name]),
        (error) => error instanceof ResnetTorchError && error.code === 'ERR_INVALID_ARGUMENT',
        name,
      );
      assert.throws(() => checkTrainOptions({ [`${name}x`]: 1 }), invalid(`Did you mean ${name}?`), name);
      checkTrainOptions({ [name]: undefined });
    }
  });

  it('knows no option of the command alone', () => {
    for (const name of namesOf('freeze', 'model', 'data', 'command')) {
      assert.throws(() => checkTrainOptions({ [name]: 1 }), invalid(`train() has no option ${name}.`), name);
    }
  });

  it('takes with resume what the table says, and nothing else', () => {
    /** Something that the option takes. */
    const values: Partial<Record<OptionName, unknown>> = {
      out: 'run',
      workers: 2,
      signal: new AbortController().signal,
      onEpoch: () => undefined,
      cacheImages: true,
      cudaGraph: true,
    };
    for (const name of TRAIN_OPTION_NAMES) {
      const { resume } = OPTIONS[name];
      const options = { out: 'run', resume: true, [name]: name === 'resume' ? true : (values[name] ?? true) };
      if (resume === 'free') resolveConditions(options as never);
      else assert.throws(() => resolveConditions(options as never), invalid(`${name}`), name);
    }
  });
});

describe('the command train', () => {
  it('has every flag of the table in its help, with what it does and its default', async (t) => {
    const log = t.mock.method(console, 'log', () => {});
    assert.equal(await main(['train', '--help']), 0);
    log.mock.restore();
    const help = log.mock.calls.map(({ arguments: parts }) => parts.join(' ')).join('\n');
    const words = help.replaceAll(/\s+/g, ' ');
    for (const [name, row] of OPTION_ROWS) {
      if (!hasFlag(name)) {
        assert.doesNotMatch(help, new RegExp(`--${flagOf(name)}\\b`), name);
        continue;
      }
      assert.match(help, new RegExp(`--${flagOf(name)} `), name);
      assert.ok(words.includes(row.help), name);
      if (typeof row.default === 'number') assert.ok(words.includes(`${row.help}; default ${row.default}`), name);
      for (const choice of row.type.kind === 'choice' ? (row.type.choices ?? []) : []) {
        assert.ok(words.includes(`"${choice}"`), `${name}: ${choice}`);
      }
    }
  });
});

describe('docs/options.md', () => {
  it('is what the table says: node scripts/docs/options.mjs writes it', async () => {
    const script = pathToFileURL(join(projectRoot, 'scripts', 'docs', 'options.mjs')).href;
    const { optionsPage, PAGE } = (await import(script)) as { optionsPage: () => string; PAGE: string };
    const page = optionsPage();
    assert.equal(readFileSync(PAGE, 'utf8'), page);
    for (const [name, { help }] of OPTION_ROWS) {
      assert.ok(page.includes(help.replaceAll('|', '\\|')), name);
      if (hasFlag(name)) assert.ok(page.includes(`\`--${flagOf(name)}\``), name);
    }
  });
});
