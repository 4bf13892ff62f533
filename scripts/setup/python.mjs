import { ask } from './run.mjs';

/** The user's Python, or null. PYTHON names another. */
export function findPython() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ['python3', 'python'];
  return candidates.find((name) => ask(name, ['-c', 'import sys; assert sys.version_info >= (3, 9)']) !== null) ?? null;
}

/** Version and folder of the torch in a Python, without importing it, or null. */
export function installedTorch(python) {
  const program = [
    'import importlib.util, importlib.metadata, os',
    'spec = importlib.util.find_spec("torch")',
    'print(importlib.metadata.version("torch"))',
    'print(os.path.dirname(spec.origin))',
  ].join('\n');
  const [version, folder] = ask(python, ['-c', program])?.split(/\r?\n/) ?? [];
  return version && folder ? { version, folder } : null;
}
