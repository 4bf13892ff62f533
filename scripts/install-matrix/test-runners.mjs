/** Test runners that load modules in ways of their own: the package is used from a test in each. */

/**
 * @typedef {object} TestRunner
 * @property {string} name
 * @property {readonly string[]} packages npm packages, with their versions
 * @property {readonly string[]} program below node_modules, and its arguments
 * @property {Readonly<Record<string, string>>} files
 * @property {Readonly<Record<string, string>>} [env]
 * @property {(node: string) => string | null} unfit why it cannot be run under a Node, or null
 */

const body = `
  const model = await ResNet50.create({ classes: 3, weights: 'none', device: 'cpu' });
  const { shape, data } = await model.forward(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
  expect([...shape]).toEqual([1, 3]);
  expect([...data].every(Number.isFinite)).toBe(true);
  model.dispose();
  await expect(ResNet50.load('/nowhere')).rejects.toBeInstanceOf(ResnetTorchError);
`;
const names = '{ ResNet50, ResnetTorchError }';
const jest = ['jest/bin/jest.js', '--testTimeout', '120000'];

/** @param {string} node */
const major = (node) => Number(node.split('.')[0]);

/** @type {readonly TestRunner[]} */
export const testRunners = [
  {
    name: 'jest 30, import',
    packages: ['jest@30.5.2'],
    program: jest,
    files: {
      'package.json': '{ "private": true, "type": "module", "jest": { "transform": {} } }\n',
      'it.test.js': `import ${names} from 'resnet-torch';\ntest('works', async () => {${body}});\n`,
    },
    env: { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' },
    unfit: () => null,
  },
  {
    name: 'jest 30, require()',
    packages: ['jest@30.5.2'],
    program: jest,
    files: {
      'package.json': '{ "private": true, "jest": { "transform": {} } }\n',
      'it.test.js': `const ${names} = require('resnet-torch');\ntest('works', async () => {${body}});\n`,
    },
    env: { NODE_OPTIONS: '--experimental-vm-modules --no-warnings' },
    unfit: (node) => (major(node) < 24 ? 'tried with Node 24 and newer alone' : null),
  },
  {
    name: 'vitest 5',
    packages: ['vitest@5.1.2'],
    program: ['vitest/vitest.mjs', 'run', '--testTimeout', '120000'],
    files: {
      'package.json': '{ "private": true, "type": "module" }\n',
      'it.test.js': `import { expect, test } from 'vitest';\nimport ${names} from 'resnet-torch';\ntest('works', async () => {${body}});\n`,
    },
    unfit: (node) => (major(node) < 22 ? 'vitest 5 needs Node 22' : null),
  },
];
