/** How long a soak goes on: RESNET_TORCH_SOAK_SECONDS, or what is said here. */
export function soakSeconds(standard: number): number {
  const given = process.env.RESNET_TORCH_SOAK_SECONDS;
  if (given === undefined || given === '') return standard;
  const seconds = Number(given);
  if (!(seconds > 0)) throw new Error(`RESNET_TORCH_SOAK_SECONDS is ${JSON.stringify(given)}: it takes seconds.`);
  return seconds;
}
