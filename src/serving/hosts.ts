import { domainToASCII } from 'node:url';
import { invalidArgument } from '../options.js';

/** Whether an address, as digits, is one that only this machine can reach. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
}

/** A name, or an address in digits, and perhaps a port. */
const HOST = /^(?:\[([\da-f:.]+)\]|([^\s:@/\\?#[\]]+))(?::\d{0,5})?$/i;

/** The name in a `Host` header: in small letters, without a port, brackets and a last dot. */
function nameIn(host: string): string | undefined {
  const [, address, name] = HOST.exec(host) ?? [];
  return (address ?? name)?.toLowerCase().replace(/\.$/, '');
}

/**
 * Whether a request may call the server by this `Host`. A page can have its own name lead to an address of this machine
 * or its network (DNS rebinding), and is then of one origin with the server; but it cannot give its name up. So names
 * are taken that no page of a stranger has: of this machine, the very address that was connected to, and those allowed.
 *
 * @param allowed names in small letters; `.example.com` is all below it, and `*` any
 */
export function isAllowedHost(host: string, allowed: readonly string[], localAddress: string | undefined): boolean {
  if (allowed.includes('*')) return true;
  const name = nameIn(host);
  if (name === undefined) return false;
  if (name === 'localhost' || name.endsWith('.localhost') || isLoopback(name)) return true;
  if (name === localAddress?.replace(/^::ffff:/, '')) return true;
  return allowed.some((one) => (one.startsWith('.') ? name === one.slice(1) || name.endsWith(one) : name === one));
}

/**
 * Names as `isAllowedHost()` compares them.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT`
 */
export function readAllowedHosts(given: unknown): readonly string[] {
  if (!Array.isArray(given)) throw invalidArgument("allowedHosts must be an array, such as ['vision.example.com'].");
  return given.map((one: unknown) => {
    if (one === '*') return one;
    const text = typeof one === 'string' ? one : '';
    const address = /^\[?([\da-f]*:[\da-f:.]*)\]?$/i.exec(text)?.[1];
    if (address !== undefined) return address.toLowerCase();
    const [, dot = '', name = ''] = /^(\.?)([^\s:/@*.][^\s:/@*]*)$/.exec(text) ?? [];
    const ascii = domainToASCII(name);
    if (ascii === '') {
      throw invalidArgument(
        `allowedHosts cannot hold ${JSON.stringify(one)}: it takes names such as vision.example.com, .example.com for it ` +
          'and all below it, addresses in digits, or *; without http:// and without a port.',
      );
    }
    return dot + ascii.replace(/\.$/, '');
  });
}
