import { appendFileSync } from 'node:fs';

/**
 * Tells of a soak while it goes on: on standard error, and at the end of the file that RESNET_TORCH_SOAK_LOG names.
 */
export function soakLog(line: string): void {
  const text = `${new Date().toISOString()} ${line}\n`;
  process.stderr.write(text);
  const file = process.env.RESNET_TORCH_SOAK_LOG;
  if (file !== undefined && file !== '') appendFileSync(file, text);
}
