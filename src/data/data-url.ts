/** Bytes of a `data:` URL, as RFC 2397 and fetch() read it. */
export type DataUrl = { readonly bytes: Uint8Array } | { readonly fault: string };

export function isDataUrl(text: string): boolean {
  return /^data:/i.test(text);
}

/** The bytes, or what is wrong, in words that follow "Cannot read the image …: ". */
export function decodeDataUrl(url: string): DataUrl {
  const comma = url.indexOf(',');
  if (comma === -1) return { fault: 'the data: URL has no comma before its data' };
  const hash = url.indexOf('#', comma);
  const body = url.slice(comma + 1, hash === -1 ? undefined : hash);
  if (!/;[ \t]*base64[ \t]*$/i.test(url.slice(0, comma))) return { bytes: percentDecoded(body) };
  const text = (body.includes('%') ? Buffer.from(percentDecoded(body)).toString('latin1') : body).replaceAll(/\s/g, '');
  if (!/^[\w+/-]*={0,2}$/.test(text)) return { fault: 'the base64 of the data: URL holds characters that are none' };
  if (text.replace(/=+$/, '').length % 4 === 1) return { fault: 'the base64 of the data: URL is cut off' };
  return { bytes: Buffer.from(text, 'base64') };
}

function percentDecoded(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  if (!text.includes('%')) return bytes;
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const digits = bytes[i] === 0x25 ? bytes.toString('latin1', i + 1, i + 3) : '';
    const isEncoded = /^[\da-f]{2}$/i.test(digits);
    bytes[length++] = isEncoded ? Number.parseInt(digits, 16) : (bytes[i] ?? 0);
    if (isEncoded) i += 2;
  }
  return bytes.subarray(0, length);
}
