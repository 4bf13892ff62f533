import { createHash } from 'node:crypto';
import { readPackageFile } from './package-file.js';

export interface Page {
  readonly html: string;
  /** Allows what the page itself holds, and requests to this server; nothing else. */
  readonly contentSecurityPolicy: string;
}

/** The page that labels an image a person drops on it. It is read once, and served from memory. */
export async function loadPage(): Promise<Page> {
  const html = await readPackageFile('assets/serve.html');
  return { html, contentSecurityPolicy: policyFor(html) };
}

export function policyFor(html: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashes(html, 'script')}`,
    `style-src ${hashes(html, 'style')}`,
    "connect-src 'self'",
    'img-src blob:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function hashes(html: string, element: 'script' | 'style'): string {
  const found = [...html.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, 'gs'))];
  return found.map(([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');
}
