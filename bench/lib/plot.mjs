/** A line chart as SVG: what the curves of the benchmark need, and no more. */

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {readonly (readonly [x: number, y: number])[]} points
 * @property {boolean} [limit] a bound, drawn dashed and without marks
 *
 * @typedef {object} Chart
 * @property {string} title
 * @property {string} x
 * @property {string} y
 * @property {boolean} [logX]
 * @property {boolean} [logY]
 * @property {Record<string, string>} [ticks] words for values of x
 * @property {readonly Series[]} series
 */

const [width, height] = [760, 440];
const area = { left: 70, right: 20, top: 40, bottom: 90, bottomForWords: 130 };
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00'];
const greys = ['#444444', '#8a8a8a'];

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** @param {number} value */
const round = (value) => Number(value.toFixed(1));

/** Values of an axis that are easy to read: 1, 2 or 5 times powers of ten. @param {number} low @param {number} high @param {boolean} log */
export function axisTicks(low, high, log) {
  if (log) {
    /** @type {number[]} */
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of [1, 2, 5]) ticks.push(Number((step * 10 ** power).toPrecision(1)));
    }
    return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  }
  const rough = (high - low) / 6 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high * 1.001; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** @param {readonly number[]} values @param {boolean} log @param {number} from @param {number} to pixels */
function makeScale(values, log, from, to) {
  const high = Math.max(...values);
  const low = log ? Math.min(...values) : 0;
  const of = (/** @type {number} */ value) => (log ? Math.log(value) : value);
  const span = of(high) - of(low) || 1;
  return { low, high, at: (/** @type {number} */ value) => from + ((of(value) - of(low)) / span) * (to - from) };
}

/** @param {Chart} chart @returns {string} */
export function drawChart({ title, x, y, logX = false, logY = false, ticks, series }) {
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) throw new RangeError(`There is nothing to draw for ${title}.`);
  const xs = points.map(([value]) => value);
  const [left, right] = [area.left, width - area.right];
  const [top, bottom] = [area.top, height - (ticks === undefined ? area.bottom : area.bottomForWords)];
  const across = makeScale(xs, logX, left + 10, right - 10);
  const ys = points.map(([, value]) => value);
  const room = [Math.min(...ys) * 0.9, Math.max(...ys) * 1.05];
  const up = makeScale([...ys, ...room], logY, bottom, top);
  const grid = axisTicks(up.low, up.high, logY).map((value) => {
    const at = round(up.at(value));
    return `<path d="M${left} ${at}H${right}" stroke="#dddddd"/><text x="${left - 6}" y="${at + 4}" text-anchor="end">${value}</text>`;
  });
  const own = [...new Set(xs)];
  // Few points are marked where they are.
  const few = own.length <= 8 ? own : axisTicks(across.low, across.high, logX);
  const marked = ticks === undefined ? few : Object.keys(ticks).map(Number);
  const below = marked.map((value) => {
    const [at, label] = [round(across.at(value)), ticks?.[value] ?? String(value)];
    const turn =
      ticks === undefined ? 'text-anchor="middle"' : `text-anchor="end" transform="rotate(-40 ${at} ${bottom + 14})"`;
    return `<path d="M${at} ${bottom}v4" stroke="#333333"/><text x="${at}" y="${bottom + 16}" ${turn}>${escaped(label)}</text>`;
  });
  let lines = 0;
  let limits = 0;
  const drawn = series.map(({ label, points: line, limit = false }, i) => {
    const colour = limit ? greys[limits++ % greys.length] : colours[lines++ % colours.length];
    const path = line
      .map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${round(across.at(px))} ${round(up.at(py))}`)
      .join('');
    const dashes = limit ? ' stroke-dasharray="6 4"' : '';
    const marks = limit
      ? []
      : line.map(
          ([px, py]) => `<circle cx="${round(across.at(px))}" cy="${round(up.at(py))}" r="3" fill="${colour}"/>`,
        );
    const legend = { x: left + 10 + (i % 2) * 350, y: height - 34 + Math.floor(i / 2) * 16 };
    return (
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>${marks.join('')}` +
      `<path d="M${legend.x} ${legend.y - 4}h22" stroke="${colour}" stroke-width="2"${dashes}/>` +
      `<text x="${legend.x + 28}" y="${legend.y}">${escaped(label)}</text>`
    );
  });
  const extra = Math.max(0, Math.ceil(series.length / 2) - 2) * 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height + extra}" viewBox="0 0 ${width} ${height + extra}" font-family="sans-serif" font-size="12" fill="#222222">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height + extra}" fill="#ffffff"/>
<text x="${left}" y="22" font-size="15">${escaped(title)}</text>
${grid.join('\n')}
<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#333333"/>
${below.join('\n')}
<text x="${(left + right) / 2}" y="${bottom + (ticks === undefined ? 34 : 74)}" text-anchor="middle">${escaped(x)}</text>
<text transform="rotate(-90 16 ${(top + bottom) / 2})" x="16" y="${(top + bottom) / 2}" text-anchor="middle">${escaped(y)}</text>
${drawn.join('\n')}
</svg>
`;
}
