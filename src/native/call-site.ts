/**
 * Whose call it was. A native call keeps the stack it was made with (`native/binding/async.cc`), and V8 follows what
 * awaits it; but work that goes on by itself, such as a training run, has no caller any more when it fails.
 */
export interface CallSite {
  readonly stack?: string;
}

/** The frames below `own`, a function or class of the package that is being called. */
export function callSite(own: (...args: never[]) => unknown): CallSite {
  const site: CallSite = {};
  Error.captureStackTrace(site, own);
  return site;
}

/** Appends to an error's stack the frames of a call site that are not in it. Answers the error. */
export function calledFrom<T>(error: T, site: CallSite): T {
  if (!(error instanceof Error) || site.stack === undefined) return error;
  const stack = error.stack ?? `${error.name}: ${error.message}`;
  const frames = site.stack.split('\n').slice(1);
  const missing = frames.filter((frame) => !stack.includes(frame.trim().replace(/^at (async )?/, '')));
  if (missing.length > 0) error.stack = [stack, ...missing].join('\n');
  return error;
}
