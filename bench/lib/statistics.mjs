/** Figures from repeated pairs. */

/** @param {readonly number[]} values at least one */
export function median(values) {
  if (values.length === 0) throw new RangeError('There is no median of nothing.');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = Number(sorted[middle]);
  return sorted.length % 2 === 1 ? upper : (Number(sorted[middle - 1]) + upper) / 2;
}

/**
 * How many times better ours is, pair by pair: above 1 is in our favour.
 *
 * @typedef {{ median: number, min: number, max: number }} Ratio
 * @param {readonly number[]} ours
 * @param {readonly number[]} peers as many
 * @param {'lower' | 'higher'} better which way of the figure is better
 * @returns {Ratio}
 */
export function pairedRatio(ours, peers, better) {
  if (ours.length !== peers.length) throw new RangeError('Every run of ours needs one of the peer beside it.');
  const ratios = ours.map((own, i) => (better === 'lower' ? Number(peers[i]) / own : own / Number(peers[i])));
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
