/** 16×16 pixels of one colour, as libwebp and libaom write them. */
export const WEBP = Buffer.from(
  'UklGRjYAAABXRUJQVlA4ICoAAACQAQCdASoQABAAAsBMJaACdLoAA5gA/ubO33RfaisAP/LP/P74u9GAAAA=',
  'base64',
);
export const WEBP_LOSSLESS = Buffer.from('UklGRh4AAABXRUJQVlA4TBEAAAAvD8ADAAdQoCIXpP+BiOh/AAA=', 'base64');
/** Two frames of 8×8 pixels. */
export const WEBP_ANIMATED = Buffer.from(
  'UklGRsAAAABXRUJQVlA4WAoAAAACAAAABwAABwAAQU5JTQYAAAD/////AQBBTk1GRgAAAAAAAAAAAAcAAAcAAGQAAAJWUDggLgAAANABAJ0BKgg' +
    'ACAABQCYloAJ0ugH4AAOwAP7tzt/+Uq8FjdzP/2ln6ln6ln+KgABBTk1GRgAAAAAAAAAAAAcAAAcAAGQAAAJWUDggLgAAAJQBAJ0BKggACAAAACYlo' +
    'AJ0ugADmAD+9Sdf/tof/rQ//Wh/2sf+47A3XeIAAAA=',
  'base64',
);
export const AVIF = Buffer.from(
  'AAAAHGZ0eXBhdmlmAAAAAG1pZjFhdmlmbWlhZgAAANZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAER' +
    'AAAEAAQAAAAAA+gABAAAAAAAAACUAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABhdjAxAAAAAA5waXRtAAAAAAABAAAAVmlwcnAAAAA4aXBjb' +
    'wAAAAxhdjFDgSACAAAAABRpc3BlAAAAAAAAABAAAAAQAAAAEHBpeGkAAAAAAwgICAAAABZpcG1hAAAAAAAAAAEAAQOBAgMAAAAtbWRhdBIACgg4DP/' +
    'aQENBpDIXGsJi5OAAFAAEokkYVuRSbT8hLlTHilA=',
  'base64',
);

/** A WebP whose extended header promises a canvas of so many pixels. */
export function webpCanvas(width: number, height: number): Buffer {
  const bytes = Buffer.from(WEBP_ANIMATED);
  bytes.writeUIntLE(width - 1, 24, 3);
  bytes.writeUIntLE(height - 1, 27, 3);
  return bytes;
}

/** A lossy WebP whose frame header promises so many pixels, 16383 a side at most. */
export function webpFrame(width: number, height: number): Buffer {
  const bytes = Buffer.from(WEBP);
  bytes.writeUInt16LE(width, 26);
  bytes.writeUInt16LE(height, 28);
  return bytes;
}

/** A lossless WebP whose header promises so many pixels, 16383 a side at most. */
export function webpLosslessFrame(width: number, height: number): Buffer {
  const bytes = Buffer.from(WEBP_LOSSLESS);
  bytes.writeUInt32LE((((width - 1) | ((height - 1) << 14)) & 0x0fffffff) >>> 0, 21);
  return bytes;
}

/** An AVIF whose item is said to have so many pixels; the coded picture has 16×16. */
export function avifItem(width: number, height: number): Buffer {
  const bytes = Buffer.from(AVIF);
  const at = bytes.indexOf('ispe') + 8;
  bytes.writeUInt32BE(width, at);
  bytes.writeUInt32BE(height, at + 4);
  return bytes;
}

/** An AVIF whose coded picture is said to have so many pixels in its own header, 16384 a side at most. */
export function avifCoded(width: number, height: number, item: { width: number; height: number }): Buffer {
  const file = avifItem(item.width, item.height);
  // An OBU of the type "sequence header" and its length; then profile, two flags and level take 10 bits, the widths of the
  // two sides 4 bits each, and the sides 4 bits each here.
  const at = file.indexOf(Buffer.from('0a08380cff', 'hex'));
  const bits = [...file.subarray(at + 2, at + 10)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const field = (value: number, length: number): string => value.toString(2).padStart(length, '0');
  const sides = field(13, 4) + field(13, 4) + field(width - 1, 14) + field(height - 1, 14);
  const changed = bits.slice(0, 10) + sides + bits.slice(26);
  const bytes = (changed.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
  const longer = bytes.length - 8;
  const all = Buffer.concat([
    file.subarray(0, at),
    Buffer.from([0x0a, bytes.length, ...bytes]),
    file.subarray(at + 10),
  ]);
  const data = all.indexOf('mdat') - 4;
  all.writeUInt32BE(all.readUInt32BE(data) + longer, data);
  // The item's one extent: its place from the beginning of the file, a count, an offset, its length.
  const extent = all.indexOf(Buffer.from('000000fa000100000000', 'hex')) + 10;
  all.writeUInt32BE(all.readUInt32BE(extent) + longer, extent);
  return all;
}
