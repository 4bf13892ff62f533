import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from '../../support/paths.js';

const run = promisify(execFile);

/** How a guide is made small, and what stands around it. */
export interface GuideTest {
  /** What the guide says and what the test puts in its place: all must be there. */
  readonly instead?: Readonly<Record<string, string>>;
  /** Declares what stands for the reader's own code. */
  readonly before?: string;
  /** Comes last, with everything that the guide defines in reach. */
  readonly after: string;
  /** Working directory. */
  readonly folder: string;
}

/** The guide's blocks that are marked `ts`, in order. */
async function blocksOf(name: string): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'docs', 'guides', `${name}.md`), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code ?? '');
}

/**
 * Compiles the blocks of a guide as one module, with all checks of the compiler, and runs it, as a user of the package
 * would: `resnet-torch` is what package.json exports.
 *
 * @returns what it printed, a line each
 */
export async function runGuide(t: TestContext, name: string, o: GuideTest): Promise<readonly string[]> {
  // Below the project, so that the package finds itself by its own name.
  const place = await mkdtemp(join(projectRoot, 'dist', 'guide-'));
  t.after(() => rm(place, { recursive: true, force: true }));
  const blocks = await blocksOf(name);
  assert.ok(blocks.length > 2, 'the guide has blocks');
  let code = [o.before ?? '', ...blocks, o.after].join('\n');
  for (const [said, small] of Object.entries(o.instead ?? {})) {
    assert.ok(code.includes(said), `the guide says ${said}`);
    code = code.replaceAll(said, small);
  }
  const source = join(place, `${name}.mts`);
  await writeFile(source, code);
  const options = [
    '--target',
    'ES2023',
    '--module',
    'NodeNext',
    '--strict',
    '--noUncheckedIndexedAccess',
    '--skipLibCheck',
  ];
  const tsc = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  await node(
    [tsc, '--ignoreConfig', ...options, '--types', 'node', '--lib', 'ES2023,ESNext.Disposable', source],
    projectRoot,
  );
  return (await node([join(place, `${name}.mjs`)], o.folder)).trimEnd().split('\n');
}

async function node(args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  try {
    return (await run(process.execPath, args, { cwd, env })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    return assert.fail(`${stdout}\n${stderr}`);
  }
}
