/** Draws one picture: a shape of any colour, size and angle, half lost in a textured ground, among stray lines. */

import sharp from 'sharp';

/** @typedef {import('./random.mjs').Random} Random */

const side = 96;

/** Around (0, 0), about one unit across. @type {Readonly<Record<string, string>>} */
const outlines = {
  bars: '<path d="M-.5-.46h1v.2h-1zM-.5-.1h1v.2h-1zM-.5.26h1v.2h-1z"/>',
  circle: '<circle r="0.48"/>',
  rings: '<path fill="none" stroke-width=".12" d="M0-.43a.43.43 0 1 1-.001 0zM0-.18a.18.18 0 1 1-.001 0z"/>',
  star: `<path d="${starPath(6, 0.55, 0.2)}"/>`,
};

export const shapes = Object.keys(outlines);

/** @param {number} points @param {number} outer @param {number} inner */
function starPath(points, outer, inner) {
  const corners = Array.from({ length: points * 2 }, (_, i) => {
    const radius = i % 2 === 0 ? outer : inner;
    const angle = (Math.PI * i) / points;
    return `${(radius * Math.sin(angle)).toFixed(3)} ${(-radius * Math.cos(angle)).toFixed(3)}`;
  });
  return `M${corners.join('L')}z`;
}

/**
 * @param {string} shape one of shapes
 * @param {Random} random
 * @returns {Promise<Buffer>} a JPEG
 */
export async function drawShape(shape, random) {
  const ground = randomColour(random);
  const colour = contrastingColour(random, ground);
  const size = random.between(0.5, 0.8) * side;
  const margin = size * 0.55;
  const place = () => random.between(margin, side - margin).toFixed(1);
  const transform = `translate(${place()} ${place()}) rotate(${random.between(0, 360).toFixed(1)}) scale(${size.toFixed(1)})`;
  const lines = Array.from({ length: 3 }, () => strayLine(random)).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}">${lines}
    <g transform="${transform}" fill="rgb(${colour})" stroke="rgb(${colour})" stroke-width="0">${outlines[shape]}</g></svg>`;
  const picture = await texture(random, ground);
  return picture
    .composite([
      { input: Buffer.from(svg) },
      { input: await grain(random), raw: { width: side, height: side, channels: 4 } },
    ])
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** @param {Random} random @returns {number[]} */
function randomColour(random) {
  return [0, 1, 2].map(() => Math.round(random.between(30, 225)));
}

/** @param {Random} random @param {readonly number[]} ground */
function contrastingColour(random, ground) {
  for (;;) {
    const colour = randomColour(random);
    const distance = Math.hypot(...colour.map((value, i) => value - Number(ground[i])));
    if (distance > 130) return colour;
  }
}

/** @param {Random} random */
function strayLine(random) {
  const at = () => random.between(0, side).toFixed(1);
  const width = random.between(1, 3).toFixed(1);
  return `<line x1="${at()}" y1="${at()}" x2="${at()}" y2="${at()}" stroke="rgb(${randomColour(random)})" stroke-width="${width}"/>`;
}

/** Blotches: a few random patches around a colour, blown up. @param {Random} random @param {readonly number[]} colour */
async function texture(random, colour) {
  const cells = 7;
  const patches = Buffer.alloc(cells * cells * 3);
  for (let i = 0; i < patches.length; i++) patches[i] = clampByte(Number(colour[i % 3]) + random.between(-35, 35));
  const blown = await sharp(patches, { raw: { width: cells, height: cells, channels: 3 } })
    .resize(side, side, { kernel: 'cubic', fit: 'fill' })
    .raw()
    .toBuffer();
  return sharp(blown, { raw: { width: side, height: side, channels: 3 } });
}

/** Grey grain over everything, as of a sensor in poor light: RGBA. @param {Random} random */
async function grain(random) {
  const pixels = Buffer.alloc(side * side * 4);
  for (let i = 0; i < pixels.length; i += 4) {
    pixels.fill(random.next() < 0.5 ? 0 : 255, i, i + 3);
    pixels[i + 3] = Math.round(random.between(0, 40));
  }
  return pixels;
}

/** @param {number} value */
function clampByte(value) {
  return Math.max(0, Math.min(255, Math.round(value)));
}
