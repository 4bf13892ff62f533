/** Holds a program on one core, where the system can. */

import { existsSync } from 'node:fs';

/** @param {string} program @param {readonly string[]} args @returns {readonly [string, readonly string[]]} */
export function onOneCore(program, args) {
  const taskset = '/usr/bin/taskset';
  return existsSync(taskset) ? [taskset, ['-c', '0', program, ...args]] : [program, args];
}
