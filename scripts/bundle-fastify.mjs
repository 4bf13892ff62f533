#!/usr/bin/env node
/**
 * Puts fastify and all that it needs into dist/src/serving/fastify.js, and their licences beside it. The set-up of a clone
 * runs it after the TypeScript build; without it that file imports fastify from node_modules, which does in a clone alone.
 */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'dist', 'src', 'serving');

/** The folders of the packages that went in, by esbuild's list of files. @param {readonly string[]} inputs */
function packageFolders(inputs) {
  const folders = inputs.flatMap((path) => path.match(/^.*node_modules\/(@[^/]+\/)?[^/]+(?=\/)/)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

/**
 * Name, version and licence of a package, with the licence's text where the package brings one. Those that may be passed
 * on in this way are few.
 *
 * @param {string} path
 */
async function licenceOf(path) {
  const { name, version, license, author } = JSON.parse(await readFile(join(root, path, 'package.json'), 'utf8'));
  if (!/^(MIT|ISC|BSD-[23]-Clause)$/.test(license)) throw new Error(`${name} ${version} has the licence ${license}`);
  const file = (await readdir(join(root, path))).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  const text =
    file === undefined
      ? `Copyright ${author?.name ?? author}; the package holds no text of its licence.`
      : (await readFile(join(root, path, file), 'utf8')).trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
}

const { metafile } = await build({
  absWorkingDir: root,
  stdin: { contents: "export { fastify } from 'fastify';", resolveDir: root, sourcefile: 'fastify.js' },
  outfile: join(folder, 'fastify.js'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  // What goes in is CommonJS, which asks for Node's own modules, and for no other, by require(): any base does, and
  // import.meta.url is not defined where an application is bundled to CommonJS. webpack takes a createRequire() that is
  // imported by its name for its own.
  banner: {
    js: "import nodeModule from 'node:module';\nconst require = nodeModule.createRequire(process.execPath);",
  },
});
const licences = await Promise.all(packageFolders(Object.keys(metafile.inputs)).map(licenceOf));
await writeFile(join(folder, 'fastify.LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
