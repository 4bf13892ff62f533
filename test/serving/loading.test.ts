import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../support/paths.js';

it('fastify and prom-client are loaded by createServer() and by nothing else', () => {
  const url = (path: string) => JSON.stringify(pathToFileURL(join(projectRoot, 'dist/src', path)).href);
  const program = `
    import { Session } from 'node:inspector';
    const session = new Session();
    session.connect();
    const scripts = [];
    session.on('Debugger.scriptParsed', ({ params }) => scripts.push(params.url));
    session.post('Debugger.enable');
    const marks = ['/serving/fastify.js', '/node_modules/prom-client/', '/node_modules/@fastify/busboy/'];
    const loaded = () => marks.filter((mark) => scripts.some((url) => url.includes(mark)));
    await import(${url('index.js')});
    await import(${url('cli/parser.js')});
    await import(${url('cli/commands/serve.js')});
    const { createServer } = await import('resnet-torch/serve');
    const before = loaded();
    const server = await createServer({ models: { a: '/nowhere' } });
    await server.close();
    process.stdout.write(JSON.stringify([before, loaded()]));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  assert.deepEqual(
    JSON.parse(stdout || '[]'),
    [[], ['/serving/fastify.js', '/node_modules/prom-client/', '/node_modules/@fastify/busboy/']],
    stderr,
  );
});
