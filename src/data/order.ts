/**
 * Compares strings by Unicode code points, as Python and so torchvision sort class folders. JavaScript's own order, by
 * UTF-16 code units, differs for characters beyond U+FFFF.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    // At the second half of a character both have the same first half, so that the halves compare as the characters do.
    if (a.charCodeAt(i) !== b.charCodeAt(i)) return (a.codePointAt(i) ?? 0) - (b.codePointAt(i) ?? 0);
  }
  return a.length - b.length;
}
