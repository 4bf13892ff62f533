import type { UnitInfo } from '../model/units.js';
import type { ParameterGroup } from '../optim/groups.js';
import { checkOptions, describe, invalidArgument, requireNumber } from '../options.js';

/** Groups of the caller's: every trainable parameter must be in exactly one. */
export function checkGroups(
  units: readonly UnitInfo[],
  groups: readonly ParameterGroup[],
  trainable: ReadonlySet<string>,
): readonly ParameterGroup[] {
  const left = new Set(trainable);
  const known = new Set(units.flatMap(({ parameters }) => parameters.map(({ name }) => name)));
  checkGroupValues(groups);
  for (const group of groups) {
    for (const name of group.parameters) {
      if (!known.has(name))
        throw invalidArgument(`The group ${group.name} holds ${describe(name)}, which is no parameter.`);
      if (!trainable.has(name)) {
        throw invalidArgument(`The group ${group.name} holds ${name}, which is frozen. Freeze less, or take it out.`);
      }
      if (!left.delete(name)) throw invalidArgument(`${name} is in more than one group.`);
    }
  }
  const [first] = left;
  if (first !== undefined) {
    throw invalidArgument(
      `${left.size} trainable parameters are in no group, the first of them ${first}. Add them, or freeze them.`,
    );
  }
  return groups;
}

/** @throws ERR_INVALID_ARGUMENT for what is no list of groups, or a rate or decay out of range */
export function checkGroupValues(groups: readonly ParameterGroup[]): void {
  if (!Array.isArray(groups) || groups.length === 0)
    throw invalidArgument('groups must be an array of parameter groups.');
  const names = new Set<string>();
  groups.forEach((group, index) => {
    checkOptions(group, ['name', 'parameters', 'lr', 'weightDecay'], `groups[${index}]`);
    if (typeof group.name !== 'string' || names.has(group.name)) {
      throw invalidArgument(`groups[${index}].name must be a string that no other group has.`);
    }
    names.add(group.name);
    if (!Array.isArray(group.parameters) || group.parameters.length === 0) {
      throw invalidArgument(`groups[${index}].parameters must be an array of parameter names.`);
    }
    requireNumber(group.lr, `groups[${index}].lr`, { exclusiveMin: 0 });
    requireNumber(group.weightDecay, `groups[${index}].weightDecay`, {
      min: 0,
    });
  });
}
