/** A failure that is told by its message alone; anything else that is thrown is a fault of the script and keeps its stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  if (cause === undefined) return error.message;
  // fetch() says no more than "fetch failed"; the cause says why.
  return `${error.message}: ${cause.message || /** @type {{ code?: string }} */ (cause).code || cause.name}`;
}
