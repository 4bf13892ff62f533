/** One axis of Pillow's `Image.resize(BILINEAR)`, written from its description: a triangle, 22-bit weights, 8-bit sums. */
function axis(input: number, output: number): readonly (readonly (readonly [from: number, weight: number])[])[] {
  const scale = input / output;
  const support = Math.max(scale, 1);
  return Array.from({ length: output }, (_, i) => {
    const center = (i + 0.5) * scale;
    const low = Math.max(Math.trunc(center - support + 0.5), 0);
    const high = Math.min(Math.trunc(center + support + 0.5), input);
    const exact = Array.from({ length: high - low }, (__, k) =>
      Math.max(0, 1 - Math.abs((low + k - center + 0.5) / support)),
    );
    const sum = exact.reduce((a, b) => a + b, 0);
    return exact.map((weight, k) => [low + k, Math.trunc(0.5 + (weight / sum) * 2 ** 22)] as const);
  });
}

/** `Image.resize((toWidth, toHeight), BILINEAR)` of RGB pixels. */
export function resize(
  pixels: Uint8Array,
  width: number,
  height: number,
  toWidth: number,
  toHeight: number,
): Uint8Array {
  const round = (sum: number) => Math.floor((sum + 2 ** 21) / 2 ** 22);
  const wide = new Uint8Array(toWidth * height * 3);
  for (const [x, taps] of axis(width, toWidth).entries()) {
    for (let at = 0; at < height * 3; at++) {
      const [y, c] = [Math.floor(at / 3), at % 3];
      wide[(y * toWidth + x) * 3 + c] = round(
        taps.reduce((sum, [from, weight]) => sum + (pixels[(y * width + from) * 3 + c] ?? 0) * weight, 0),
      );
    }
  }
  const out = new Uint8Array(toWidth * toHeight * 3);
  for (const [y, taps] of axis(height, toHeight).entries()) {
    for (let at = 0; at < toWidth * 3; at++) {
      out[y * toWidth * 3 + at] = round(
        taps.reduce((sum, [from, weight]) => sum + (wide[from * toWidth * 3 + at] ?? 0) * weight, 0),
      );
    }
  }
  return out;
}

/** A square part of RGB pixels. */
export function cut(pixels: Uint8Array, width: number, left: number, top: number, size: number): Uint8Array {
  const rows = Array.from({ length: size }, (_, y) =>
    pixels.subarray(((top + y) * width + left) * 3, ((top + y) * width + left + size) * 3),
  );
  return Buffer.concat(rows);
}

/** Python's round(): halves to the even neighbour. */
export function roundHalfEven(value: number): number {
  return value % 1 === 0.5 && Math.floor(value) % 2 === 0 ? Math.floor(value) : Math.round(value);
}
