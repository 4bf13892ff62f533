/**
 * Loaded before the program of a child process (`--import`): ends it when its parent is gone, however that ended. The
 * channel between them closes with the parent, and does not keep the child alive.
 */
process.on('disconnect', () => process.exit(1));
process.channel?.unref();

export {};
