import type { Place } from './place.js';
import type { Json, TraceOptions } from './trace.js';

export interface Case {
  readonly name: string;
  /** Of computed numbers against the committed ones, relative; null: they are compared on one machine alone. */
  readonly tolerance: number | null;
  trace(place: Place, o: TraceOptions): Promise<Json>;
}

/**
 * What processors and versions of libtorch make different in float64, which training amplifies. Other instructions of ATEN
 * (ATEN_CPU_CAPABILITY=default) are 4e-12 away at most.
 */
export const DOUBLE = 1e-8;

/** The same in float32 behind frozen units with BatchNorm in evaluation mode, where training amplifies little: 3e-7. */
export const SINGLE = 1e-4;
