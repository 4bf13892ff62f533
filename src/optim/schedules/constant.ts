import type { ScheduleRule } from './rule.js';

/** The whole rate, as without a scheduler. */
export const constant: ScheduleRule<object, false> = { falls: false, own: {}, factor: () => 1 };
