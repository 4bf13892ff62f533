/** The package managers: where each comes from, how it is told of a registry, and how it installs and runs. */

/**
 * @typedef {object} Manager
 * @property {string} name
 * @property {string} from the npm package that holds it, with its version
 * @property {(tool: string, node: string) => readonly string[]} command the program, given the folder of its package and Node's
 * @property {(registry: string, cache: string) => Readonly<Record<string, string>>} files in the project's folder
 * @property {(registry: string, cache: string) => readonly string[]} install arguments
 * @property {Readonly<Record<string, string>>} [env]
 * @property {readonly string[]} [exec] arguments before a program's name, where programs are not in node_modules/.bin
 * @property {RegExp} [inherent] a warning that the manager gives for any package
 */

/** @param {Record<string, unknown>} [more] */
const manifest = (more = {}) =>
  `${JSON.stringify({ name: 'project', version: '1.0.0', private: true, license: 'MIT', ...more }, null, 2)}\n`;

/** @param {string} version @returns {Manager} */
const npm = (version) => ({
  name: `npm ${version.split('.')[0]}`,
  from: `npm@${version}`,
  command: (tool, node) => [node, `${tool}/bin/npm-cli.js`],
  files: (registry, cache) => ({
    'package.json': manifest(),
    '.npmrc': `registry=${registry}/\ncache=${cache}\nengine-strict=true\naudit=false\nfund=false\nupdate-notifier=false\n`,
  }),
  install: () => ['install', 'resnet-torch'],
});

/** @param {string} version @param {(tool: string, node: string) => readonly string[]} command @returns {Manager} */
const pnpm = (version, command) => ({
  name: `pnpm ${version.split('.')[0]}`,
  from: `pnpm@${version}`,
  command,
  files: (registry, cache) => ({
    'package.json': manifest(),
    '.npmrc': `registry=${registry}/\nengine-strict=true\n`,
    'pnpm-workspace.yaml': `storeDir: ${cache}/store\ncacheDir: ${cache}/cache\nengineStrict: true\nregistries:\n  default: ${registry}/\n`,
  }),
  install: () => ['add', 'resnet-torch'],
});

/** @param {'pnp' | 'node-modules'} linker @returns {Manager} */
const berry = (linker) => ({
  name: `yarn 4, ${linker}`,
  from: '@yarnpkg/cli-dist@4.18.1',
  command: (tool, node) => [node, `${tool}/bin/yarn.js`],
  files: (registry, cache) => ({
    'package.json': manifest(),
    'yarn.lock': '',
    '.yarnrc.yml': [
      `npmRegistryServer: '${registry}'`,
      "unsafeHttpWhitelist: ['127.0.0.1']",
      `nodeLinker: ${linker}`,
      `globalFolder: '${cache}'`,
      'enableTelemetry: false',
      'npmMinimalAgeGate: 0',
      '',
    ].join('\n'),
  }),
  install: () => ['add', 'resnet-torch'],
  ...(linker === 'pnp' && { exec: ['exec'], inherent: /YN0092|Done with warnings|experimental/i }),
});

/** @type {readonly Manager[]} */
export const managers = [
  npm('10.9.9'),
  npm('11.21.2'),
  pnpm('10.34.8', (tool, node) => [node, `${tool}/bin/pnpm.cjs`]),
  pnpm('12.21.0', (tool) => [`${tool}/pnpm`]),
  {
    name: 'yarn 1',
    from: 'yarn@1.22.22',
    command: (tool, node) => [node, `${tool}/bin/yarn.js`],
    files: (registry, cache) => ({
      'package.json': manifest(),
      '.yarnrc': `registry "${registry}/"\ncache-folder "${cache}"\n`,
    }),
    install: () => ['add', '--non-interactive', '--no-progress', 'resnet-torch'],
  },
  berry('node-modules'),
  berry('pnp'),
  {
    name: 'bun',
    from: 'bun@1.4.5',
    command: (tool) => [`${tool}/bin/bun.exe`],
    files: (registry, cache) => ({
      'package.json': manifest(),
      'bunfig.toml': `[install]\nregistry = "${registry}/"\n[install.cache]\ndir = "${cache}"\n`,
    }),
    install: () => ['add', 'resnet-torch'],
  },
  {
    name: 'deno',
    from: 'deno@2.9.6',
    command: (tool) => [`${tool}/deno`],
    files: (registry) => ({ 'package.json': manifest(), '.npmrc': `registry=${registry}/\n` }),
    install: () => ['add', 'npm:resnet-torch'],
  },
];

/** The Nodes: the oldest that is supported, the oldest of the next line that can be, and the newest long-term one. */
export const nodeVersions = ['20.19.0', '22.12.0', '24.22.3'];
