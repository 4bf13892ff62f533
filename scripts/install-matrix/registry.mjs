/**
 * A registry on this machine for the length of a run: it has the packed package, and hands on what it is asked for beside.
 * So the package is installed by its name, as users do, and every manager reads its manifest and its tarball.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

/**
 * @param {{ manifest: Record<string, any>, tarball: string, upstream: string }} options upstream: a registry's address
 */
export async function startRegistry({ manifest, tarball, upstream }) {
  const bytes = await readFile(tarball);
  const file = `/${manifest.name}/-/${manifest.name}-${manifest.version}.tgz`;
  /** @type {Map<string, Promise<{ status: number, type: string, body: Buffer }>>} */
  const fetched = new Map();
  const server = createServer(async (request, response) => {
    try {
      const path = decodeURIComponent(request.url ?? '/');
      if (path === file) response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes);
      else if (path === `/${manifest.name}`) sendJson(response, packument());
      else if (request.method === 'GET') await handOn(request, response);
      else response.writeHead(404).end();
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const address = `http://127.0.0.1:${port}`;

  const packument = () => {
    const dist = {
      tarball: `${address}${file}`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
      shasum: createHash('sha1').update(bytes).digest('hex'),
    };
    const { name, version } = manifest;
    const entry = { ...manifest, _id: `${name}@${version}`, dist };
    // Some managers wait until a release has a certain age.
    const time = { created: '2020-01-01T00:00:00.000Z', [version]: '2020-01-01T00:00:00.000Z' };
    return { _id: name, name, 'dist-tags': { latest: version }, versions: { [version]: entry }, time };
  };

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  const handOn = async (request, response) => {
    const accept = request.headers.accept ?? '*/*';
    const key = `${accept} ${request.url}`;
    if (!fetched.has(key)) fetched.set(key, ask(`${upstream.replace(/\/+$/, '')}${request.url}`, accept));
    const { status, type, body } = await /** @type {NonNullable<ReturnType<typeof fetched.get>>} */ (fetched.get(key));
    response.writeHead(status, { 'content-type': type, 'content-length': body.length }).end(body);
  };

  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address, close };
}

/** @param {string} url @param {string} accept */
async function ask(url, accept) {
  const answer = await fetch(url, { headers: { accept } });
  const type = answer.headers.get('content-type') ?? 'application/octet-stream';
  return { status: answer.status, type, body: Buffer.from(await answer.arrayBuffer()) };
}

/** @param {import('node:http').ServerResponse} response @param {object} value */
function sendJson(response, value) {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
