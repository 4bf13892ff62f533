import { tryRun } from './run.mjs';

/**
 * The Pythons to ask, best first: RESNET_TORCH_PYTHON alone where it is set.
 *
 * @returns {readonly string[]}
 */
export function pythonNames() {
  const own = process.env.RESNET_TORCH_PYTHON;
  return own ? [own] : ['python3', 'python'];
}

/** @returns {Promise<string | null>} a Python 3 that has pip */
export async function pythonWithPip() {
  for (const python of pythonNames()) {
    const { code } = await tryRun(python, ['-m', 'pip', '--version']);
    if (code === 0) return python;
  }
  return null;
}

/**
 * The folder of a torch that a Python has installed; torch is not imported for it.
 *
 * @returns {Promise<string | null>}
 */
export async function installedTorch() {
  const code =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  for (const python of pythonNames()) {
    const answer = await tryRun(python, ['-c', code]);
    const folder = answer.code === 0 ? answer.output.trim() : '';
    if (folder !== '') return folder;
  }
  return null;
}
