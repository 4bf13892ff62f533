const MOST_QUOTED = 12;

/** Names for a message, not more than a person reads. */
export function quoted(names: readonly string[]): string {
  const shown = names.slice(0, MOST_QUOTED).join(', ');
  return names.length > MOST_QUOTED ? `${shown} and ${names.length - MOST_QUOTED} more` : shown;
}
