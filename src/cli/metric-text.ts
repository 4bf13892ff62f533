import { type MetricName, metricOf } from '../metrics/registry.js';
import { percent } from './table.js';

/** A figure as people read it; a dash where there is none. */
export function shown(name: MetricName, value: number | null | undefined): string {
  if (value === undefined || value === null) return '–';
  return metricOf(name).shownAs === 'share' ? percent(value) : value.toFixed(4);
}
