/** The largest seed. */
export const MOST_SEED = Number.MAX_SAFE_INTEGER;
/** Threads that may decode. */
export const MOST_WORKERS = 1024;
