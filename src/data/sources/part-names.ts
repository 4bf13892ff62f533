/** What a part of a data set is for. */
export type Role = 'train' | 'val' | 'test';

const ROLES: Readonly<Record<string, Role>> = {
  train: 'train',
  training: 'train',
  val: 'val',
  valid: 'val',
  validation: 'val',
  dev: 'val',
  test: 'test',
  testing: 'test',
};

/** For messages. */
export const PART_NAMES = Object.keys(ROLES).join(', ');

/** The part that a folder's name says, in any case of letters. */
export function roleOf(name: string): Role | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(ROLES, key) ? ROLES[key] : undefined;
}

/** Whether a name is that of a part, or begins with one: `test1`, `val2017`, `train_images`. */
export function soundsLikePart(name: string): boolean {
  return roleOf(/^\p{L}*/u.exec(name)?.[0] ?? '') !== undefined;
}
