import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs such a program. libtorch is not compiled for sanitizers: what it shares with the program cannot be followed. */
export async function runProgram(
  command: readonly [program: string, ...words: (string | number)[]],
  variables: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const [program, ...words] = command;
  const asan = 'detect_leaks=0:detect_container_overflow=0:detect_stack_use_after_return=0';
  const env = { ...process.env, OMP_NUM_THREADS: '1', ASAN_OPTIONS: asan, ...variables };
  try {
    const { stdout, stderr } = await promisify(execFile)(program, words.map(String), { env });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { status: code ?? -1, stdout, stderr };
  }
}
