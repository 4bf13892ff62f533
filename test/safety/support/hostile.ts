import { deflateSync } from 'node:zlib';
import {
  AVIF,
  avifCoded,
  avifItem,
  WEBP,
  WEBP_ANIMATED,
  WEBP_LOSSLESS,
  webpCanvas,
  webpFrame,
  webpLosslessFrame,
} from './hostile/containers.js';
import { gif } from './hostile/gif.js';
import * as jpegs from './hostile/jpeg.js';
import { exifSegment, jpeg, jpegPromise, jpegSegment, progressiveJpeg } from './hostile/jpeg.js';
import * as pngs from './hostile/png.js';
import { deflatedZeros, png, pngChunk, pngInflating, pngRows } from './hostile/png.js';
import * as tags from './hostile/tiff.js';
import { exif, type TiffField, tiff } from './hostile/tiff.js';

export interface HostileFile {
  /** What is wrong with it, in words that are its own. */
  readonly name: string;
  readonly bytes: Buffer;
  /** Whether it is a picture after all, as Pillow or libvips see it, or is to be refused. */
  readonly expect: 'image' | 'refused';
}

type Kinds = Readonly<Record<string, readonly [expect: 'image' | 'refused', bytes: Buffer]>>;

/** The most pixels that are read, in a square. */
const MOST_SIDE = 16383;

const black = Buffer.alloc(3);
const twoColours = pngChunk('PLTE', Buffer.from('000000c84020', 'hex'));

/** Sides that are far apart, or that no picture has. */
function shapes(): Kinds {
  const bit = { depth: 1, colour: pngs.GREY } as const;
  const flat = { width: 65535, height: 1 } as const;
  const packed = (width: number, height: number): Buffer =>
    tiff({ width, height, bits: 1, compression: tags.DEFLATE, data: deflatedZeros(Math.ceil(width / 8) * height) });
  return {
    'PNG of 9,000,000×1': ['refused', png({ ...bit, width: 9_000_000, height: 1 })],
    'PNG of 1×9,000,000': ['refused', png({ ...bit, width: 1, height: 9_000_000 })],
    'PNG of 2000×1': ['image', png({ ...bit, width: 2000, height: 1 })],
    'TIFF of 9,000,000×1': ['refused', packed(9_000_000, 1)],
    'TIFF of 1×9,000,000': ['refused', packed(1, 9_000_000)],
    'JPEG of 65535×1': ['refused', jpeg(flat)],
    'JPEG of 1×65535': ['refused', jpeg({ width: 1, height: 65535 })],
    'progressive JPEG of 65535×1': ['refused', progressiveJpeg(flat, 3)],
    'GIF of 65535×1': ['refused', gif(flat)],
    'GIF of 1×65535': ['refused', gif({ width: 1, height: 65535 })],
    'WebP of 16383×1, by its header': ['refused', webpFrame(16383, 1)],
    'AVIF of 9,000,000×1, by its header': ['refused', avifItem(9_000_000, 1)],
    'PNG of 0×1': ['refused', png({ ...bit, width: 0, height: 1 })],
    'GIF of 0×0': ['refused', gif({ width: 0, height: 0 })],
    'JPEG of 0 rows': ['refused', jpegPromise({ width: 16, height: 0 }, 0xc0)],
  };
}

/** Headers that promise more pixels than there can be; the data are a few bytes. */
function promises(): Kinds {
  const data = deflateSync(Buffer.alloc(1000));
  const most = 2 ** 31 - 1;
  return {
    'PNG of 2³¹×2³¹, by its header': ['refused', png({ width: most, height: most, colour: pngs.RGB, data })],
    'PNG of 50000×50000, by its header': ['refused', png({ width: 50_000, height: 50_000, colour: pngs.RGBA, data })],
    'JPEG of 65535×65535, by its header': ['refused', jpegPromise({ width: 65535, height: 65535 }, 0xc0)],
    'GIF of 65535×65535, by its header': ['refused', gif({ width: 65535, height: 65535, whole: false })],
    'GIF of 16000×16000, by its header': ['refused', gif({ width: 16000, height: 16000, whole: false })],
    'GIF whose frame is larger than its screen': [
      'refused',
      gif({ width: 8, height: 8, frame: { width: 65535, height: 65535 }, whole: false }),
    ],
    'WebP canvas of 16,777,216×16,777,216': ['refused', webpCanvas(2 ** 24, 2 ** 24)],
    'WebP canvas of 16000×16000': ['refused', webpCanvas(16000, 16000)],
    'WebP of 16383×16383, by its header': ['refused', webpFrame(16383, 16383)],
    'lossless WebP of 16383×16383, by its header': ['refused', webpLosslessFrame(16383, 16383)],
    'AVIF of 2³¹×2³¹, by its header': ['refused', avifItem(most, most)],
    'AVIF of 16000×16000, by its header': ['refused', avifItem(16000, 16000)],
    'AVIF whose coded picture is larger than it says': ['refused', avifCoded(16000, 16000, { width: 16, height: 16 })],
    'AVIF of 10000×10000, by both its headers': ['refused', avifCoded(10000, 10000, { width: 10000, height: 10000 })],
    'TIFF of 2³¹×2³¹, by its header': ['refused', tiff({ width: most, height: most, data: black })],
    'TIFF of 16000×16000, by its header': ['refused', tiff({ width: 16000, height: 16000, samples: 3, data: black })],
    'progressive JPEG of 16383×16383, by its header': [
      'refused',
      jpegPromise({ width: MOST_SIDE, height: MOST_SIDE, sampling: jpegs.HALVED }, 0xc2),
    ],
    'progressive CMYK JPEG of 16383×16383, by its header': [
      'refused',
      jpegPromise({ width: MOST_SIDE, height: MOST_SIDE, sampling: jpegs.FOUR }, 0xc2),
    ],
    'arithmetic JPEG of 16383×16383, by its header': [
      'image',
      jpegPromise({ width: MOST_SIDE, height: MOST_SIDE, sampling: jpegs.HALVED }, 0xc9),
    ],
    'lossless JPEG of 16383×16383, by its header': [
      'refused',
      jpegPromise({ width: MOST_SIDE, height: MOST_SIDE, sampling: jpegs.HALVED }, 0xc3),
    ],
  };
}

/** Small files that become much: all that they promise is there. */
function bombs(): Kinds {
  const large = { width: MOST_SIDE, height: MOST_SIDE } as const;
  const medium = { width: 7000, height: 7000 } as const;
  const small = { width: 16, height: 16 } as const;
  const bands = (width: number, samples: number): Buffer =>
    tiff({ width, height: width, samples, data: Buffer.alloc(64), fields: [[tags.PHOTOMETRIC, 3, [1]]] });
  const tile: readonly TiffField[] = [
    [tags.TILE_WIDTH, 4, [65536]],
    [tags.TILE_HEIGHT, 4, [65536]],
    [tags.TILE_OFFSETS, 4, [8]],
    [tags.TILE_LENGTHS, 4, [64]],
  ];
  return {
    'PNG of 16383×16383 pixels of one bit': ['refused', png({ ...large, depth: 1 })],
    'PNG of 16383×16383 pixels of a palette': [
      'refused',
      png({ ...large, depth: 1, colour: pngs.PALETTE, before: [twoColours] }),
    ],
    'interlaced PNG of 7000×7000 pixels of a palette': [
      'refused',
      png({ ...medium, depth: 1, colour: pngs.PALETTE, before: [twoColours], interlaced: true }),
    ],
    'PNG of 7000×7000 pixels of 16 bits and alpha': ['refused', png({ ...medium, depth: 16, colour: pngs.RGBA })],
    'PNG with a text of 500 MB': ['image', png({ ...small, before: [pngInflating('zTXt', 500e6)] })],
    'PNG with an international text of 500 MB': ['image', png({ ...small, before: [pngInflating('iTXt', 500e6)] })],
    'PNG with a colour profile of 500 MB': ['image', png({ ...small, before: [pngInflating('iCCP', 500e6)] })],
    'PNG with 20,000 texts': [
      'image',
      png({ ...small, before: Array(20_000).fill(pngChunk('tEXt', Buffer.from('a\0b'))) }),
    ],
    'PNG whose data go on for 500 MB': ['image', png({ ...small, data: deflatedZeros(500e6) })],
    'TIFF of 500 bands': ['refused', bands(16, 500)],
    'TIFF of 2000×2000 pixels of 500 bands': ['refused', bands(2000, 500)],
    'TIFF of 65535 bands': ['refused', bands(16, 65535)],
    'TIFF of 7000×7000 pixels in one strip': [
      'image',
      tiff({ ...medium, samples: 3, compression: tags.DEFLATE, data: deflatedZeros(3 * 7000 * 7000) }),
    ],
    'TIFF of 7000×7000 pixels of 64 bits': [
      'refused',
      tiff({ ...medium, bits: 64, data: Buffer.alloc(64), fields: [[tags.SAMPLE_FORMAT, 3, [3]]] }),
    ],
    'TIFF with a tile of 65536×65536 pixels': ['refused', tiff({ ...small, data: Buffer.alloc(64), fields: tile })],
    'progressive JPEG of a thousand scans': ['refused', progressiveJpeg({ width: 2000, height: 2000 }, 1000)],
    'progressive JPEG of twelve scans': ['image', progressiveJpeg({ width: 200, height: 100 }, 12)],
    'JPEG of 16383×16383 pixels': ['image', jpeg(large)],
    'progressive JPEG of 16383×16383 pixels': ['refused', progressiveJpeg(large, 10)],
    'GIF of 7000×7000 pixels, and a frame of 1×1': ['image', gif({ ...medium, frame: { width: 1, height: 1 } })],
    'GIF of 5,000 frames': ['image', gif({ ...small, frames: 5000 })],
  };
}

/** What is no image, or none that is read, called as one. */
function strangers(): Kinds {
  const svg = (content: string): Buffer =>
    Buffer.from(
      `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000">${content}</svg>`,
    );
  const html = Buffer.from('<!doctype html><title>404</title>Not found');
  const ppm = Buffer.concat([Buffer.from('P6 16 16 255\n'), Buffer.alloc(768)]);
  return {
    'no bytes': ['refused', Buffer.alloc(0)],
    'one byte': ['refused', Buffer.from([0xff])],
    'two bytes of a JPEG': ['refused', Buffer.from([0xff, 0xd8])],
    'three bytes of a JPEG': ['refused', Buffer.from([0xff, 0xd8, 0xff])],
    'the signature of a PNG': ['refused', png({ width: 1, height: 1 }).subarray(0, 8)],
    'the signature of a GIF': ['refused', Buffer.from('GIF89a')],
    'the signature of a TIFF': ['refused', Buffer.from('49492a00', 'hex')],
    'the signature of a WebP': ['refused', WEBP.subarray(0, 12)],
    'the signature of an AVIF': ['refused', AVIF.subarray(0, 16)],
    zeros: ['refused', Buffer.alloc(5000)],
    SVG: ['refused', svg('<rect width="9" height="9"/>')],
    'SVG that includes a file': ['refused', svg('<image href="file:///etc/passwd" width="9" height="9"/>')],
    PDF: ['refused', Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF')],
    HTML: ['refused', html],
    PPM: ['refused', ppm],
    BMP: ['refused', Buffer.concat([Buffer.from('BM'), Buffer.alloc(200)])],
    HEIC: ['refused', Buffer.from(AVIF.toString('latin1').replaceAll('avif', 'heic'), 'latin1')],
    'JPEG XL': ['refused', Buffer.from('ff0a7a1f0488060000', 'hex')],
    'JPEG 2000': ['refused', Buffer.from('0000000c6a5020200d0a870a', 'hex')],
    'a matrix of text': ['refused', Buffer.from('20000 20000\n1 2 3\n')],
  };
}

/** Pictures with something odd that leaves the picture as it is, and such that no decoder takes. */
function oddities(): Kinds {
  const side = { width: 16, height: 16 } as const;
  const square = jpeg(side);
  const animation = Buffer.from('0000000200000000', 'hex');
  const frame = Buffer.alloc(26);
  frame.writeUInt32BE(16, 4);
  frame.writeUInt32BE(16, 8);
  const loop = tiff({ ...side, data: Buffer.alloc(256) });
  const indexed = { ...side, colour: pngs.PALETTE, before: [twoColours] } as const;
  return {
    'APNG: its first frame': [
      'image',
      png({ ...side, before: [pngChunk('acTL', animation), pngChunk('fcTL', frame)] }),
    ],
    'MPO: its first picture': ['image', Buffer.concat([square, jpeg({ width: 40, height: 40 })])],
    'WebP animation: its first frame': ['image', WEBP_ANIMATED],
    'JPEG with bytes behind its end': ['image', Buffer.concat([square, Buffer.alloc(1000, 0x5a)])],
    'JPEG turned by nonsense': ['image', jpeg({ ...side, before: [exifSegment(exif(65535))] })],
    'JPEG turned by a byte': ['image', jpeg({ ...side, before: [exifSegment(exif(6, 1))] })],
    'JPEG whose EXIF ends early': ['image', jpeg({ ...side, before: [exifSegment(exif(6).subarray(0, 9))] })],
    'JPEG whose EXIF points nowhere': [
      'image',
      jpeg({ ...side, before: [exifSegment(Buffer.from('49492a00ffffffff', 'hex'))] }),
    ],
    'JPEG with a colour profile of nonsense': [
      'image',
      jpeg({ ...side, before: [jpegSegment(0xe2, Buffer.from('ICC_PROFILE\0\x01\x01nonsense', 'latin1'))] }),
    ],
    'PNG with a colour profile of nonsense': [
      'image',
      png({ ...side, before: [pngChunk('iCCP', Buffer.from('a\0\0nonsense', 'latin1'))] }),
    ],
    'CMYK JPEG': ['image', jpeg({ ...side, sampling: jpegs.FOUR })],
    'PNG of 16 bits': ['image', png({ ...side, depth: 16, colour: pngs.RGB })],
    'PNG of 1 bit': ['image', png({ ...side, depth: 1 })],
    'PNG of 1×1': ['image', png({ width: 1, height: 1 })],
    'PNG whose palette lacks colours': ['image', png({ ...indexed, data: pngRows(16, Buffer.alloc(16, 200)) })],
    'PNG without a palette': ['refused', png({ ...side, colour: pngs.PALETTE })],
    'PNG with a wrong checksum': ['refused', broken(png(side), 45)],
    'PNG of a depth that there is not': ['refused', png({ ...side, depth: 7 })],
    'TIFF of floating-point samples': [
      'image',
      tiff({ ...side, bits: 32, data: Buffer.alloc(1024), fields: [[tags.SAMPLE_FORMAT, 3, [3]]] }),
    ],
    'TIFF whose directory follows itself': ['image', tiff({ ...side, data: Buffer.alloc(256), next: 264 })],
    'TIFF whose strip lies elsewhere': [
      'refused',
      tiff({ ...side, data: Buffer.alloc(256), fields: [[tags.STRIP_OFFSETS, 4, [4_000_000_000]]] }),
    ],
    'TIFF whose directory lies elsewhere': ['refused', Buffer.concat([Buffer.from('49492a00ffffff7f', 'hex'), loop])],
    'TIFF of a compression that there is not': ['refused', tiff({ ...side, compression: 9, data: Buffer.alloc(256) })],
    'GIF with a colour that its table lacks': ['image', gif({ ...side, index: 3 })],
  };
}

/** Of each format one that is whole, and the same cut at its half and short of its end. */
function cut(): Kinds {
  const side = { width: 64, height: 64 } as const;
  const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 2654435761) >>> 24));
  const rows = Buffer.concat(
    Array.from({ length: 64 }, (_, y) => Buffer.concat([Buffer.alloc(1), noise.subarray(y * 192, y * 192 + 192)])),
  );
  const whole: Readonly<Record<string, Buffer>> = {
    JPEG: jpeg(side),
    'progressive JPEG': progressiveJpeg(side, 5),
    PNG: png({ ...side, colour: pngs.RGB, data: deflateSync(rows) }),
    GIF: gif(side),
    TIFF: tiff({ ...side, samples: 3, data: noise }),
    'compressed TIFF': tiff({ ...side, samples: 3, compression: tags.DEFLATE, data: deflateSync(noise) }),
    WebP: WEBP,
    'lossless WebP': WEBP_LOSSLESS,
    'WebP animation': WEBP_ANIMATED,
    AVIF,
  };
  const kinds: Record<string, readonly ['image' | 'refused', Buffer]> = {};
  for (const [name, bytes] of Object.entries(whole)) {
    kinds[`whole ${name}`] = ['image', bytes];
    kinds[`${name} cut at its half`] = ['refused', bytes.subarray(0, bytes.length >> 1)];
    kinds[`${name} cut short of its end`] = ['refused', bytes.subarray(0, bytes.length - 3)];
  }
  return kinds;
}

/** One byte changed. */
function broken(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
}

/**
 * Small files that are made to hurt whoever decodes them, and such that look so and are pictures. Made by code, the same
 * each time.
 */
export function hostileFiles(): readonly HostileFile[] {
  const kinds: Kinds = { ...shapes(), ...promises(), ...bombs(), ...strangers(), ...oddities(), ...cut() };
  return Object.entries(kinds).map(([name, [expect, bytes]]) => ({ name, bytes, expect }));
}
