export type Alignment = 'left' | 'right';

/** Columns aligned by spaces, a rule below the heading; no trailing spaces. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  alignment: readonly Alignment[] = [],
): string {
  const widths = heading.map((title, column) => Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))));
  const line = (cells: readonly string[]): string =>
    widths
      .map((size, column) => {
        const cell = cells[column] ?? '';
        const space = ' '.repeat(size - width(cell));
        return alignment[column] === 'right' ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [line(heading), widths.map((size) => '─'.repeat(size)).join('  '), ...rows.map(line)].join('\n');
}

/** Terminal columns of a text: characters, wide ones (CJK, emoji) counted twice. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += WIDE.test(character) ? 2 : /\p{Mark}/u.test(character) ? 0 : 1;
  return columns;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** `25,557,032`. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** A share of 1 as a percentage with two decimals: `93.46%`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

/** A rate as people write it: `1e-4`, `2.5e-5`, `0.01`. */
export function rate(value: number): string {
  if (value >= 0.01 || value === 0) return String(Number(value.toPrecision(3)));
  return Number(value.toPrecision(3)).toExponential();
}
