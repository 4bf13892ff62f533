/** Where the time goes. */

/** What ran under one name while a profile was recorded. */
export interface NativeProfileEntry {
  readonly name: string;
  /** A kernel or a copy of a device; else an operation of the CPU's executor, without those that it called. */
  readonly onDevice: boolean;
  readonly count: number;
  readonly ms: number;
}
