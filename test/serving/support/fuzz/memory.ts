/** Resident bytes of a server's process: at the start, at most, and at last, as its metrics say. */
export interface Memory {
  readonly start: number;
  peak: number;
  last: number;
}

export async function residentBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(text)?.[1]);
}

export async function startMemory(url: string): Promise<Memory> {
  const start = await residentBytes(url);
  return { start, peak: start, last: start };
}

export async function lookAt(memory: Memory, url: string): Promise<void> {
  memory.last = await residentBytes(url);
  memory.peak = Math.max(memory.peak, memory.last);
}

export function tellMemory({ start, peak, last }: Memory): string {
  const [a, b, c] = [start, peak, last].map((bytes) => (bytes / 1e6).toFixed(0));
  return `memory ${a} MB at the start, ${b} MB at most, ${c} MB at the end`;
}
