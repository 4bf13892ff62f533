/** `count` per second of `milliseconds`; 0 where no time has passed. */
export function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
