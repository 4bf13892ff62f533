import { fileError } from '../files.js';

let watched = false;
let outlives = false;
let lost = false;

/**
 * Decides what becomes of the command when nobody reads its output any more. It does so for as long as the process lasts:
 * what is written last fails when the command is done.
 *
 * A reader that has seen enough (`… | head`) is no failure: the command ends, with exit code 0. What cannot be written for
 * another reason, a full disk above all, is one.
 */
export function watchReaders(): void {
  if (watched) return;
  watched = true;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      if (!outlives) process.exit(0);
      return;
    }
    tellLoss(error);
    if (!outlives) process.exit(1);
  });
  // Where nobody can be told of a failure there is nobody to tell.
  process.stderr.on('error', () => undefined);
}

/** For commands whose work is not their output: it goes on without readers, to its own end and exit code. */
export function outliveReaders(): void {
  outlives = true;
}

/** Whether output was lost, which a command that went well otherwise must not hide. */
export function outputWasLost(): boolean {
  return lost;
}

function tellLoss(error: NodeJS.ErrnoException): void {
  if (lost) return;
  lost = true;
  process.stderr.write(`resnet-torch: ${fileError('write', 'standard output', error).message}\n`);
  // The command may be over by now, and have said that it went well.
  process.exitCode = 1;
}
