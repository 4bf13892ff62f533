/** Formats that a server decodes. SVG is left out: it is a program that draws, and may name other files. */
export const IMAGE_FORMATS = ['JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF'] as const;

export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** The format that bytes begin like, whatever a client calls them; `undefined` when none of those that are decoded. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 32)).toString('latin1');
  if (text.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'PNG';
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'WebP';
  if (/^GIF8[79]a/.test(text)) return 'GIF';
  if (/^(?:II[*+]\0|MM\0[*+])/.test(text)) return 'TIFF';
  // The major brand, or a compatible one: encoders write `mif1` first, too.
  return text.slice(4, 8) === 'ftyp' && /avi[fs]/.test(text.slice(8)) ? 'AVIF' : undefined;
}
