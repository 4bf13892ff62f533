import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { cacheDirectory } from '../../../src/model/weights/index.js';

const HOME = resolve('home');

test('the cache lies where each platform keeps such files', () => {
  assert.equal(cacheDirectory({}, 'linux', HOME), join(HOME, '.cache', 'resnet-torch'));
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: resolve('xdg') }, 'linux', HOME), join(resolve('xdg'), 'resnet-torch'));
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: 'relative' }, 'linux', HOME), join(HOME, '.cache', 'resnet-torch'));
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: '' }, 'linux', HOME), join(HOME, '.cache', 'resnet-torch'));
  assert.equal(cacheDirectory({}, 'darwin', HOME), join(HOME, 'Library', 'Caches', 'resnet-torch'));
  assert.equal(
    cacheDirectory({ LOCALAPPDATA: resolve('local') }, 'win32', HOME),
    join(resolve('local'), 'resnet-torch'),
  );
  assert.equal(cacheDirectory({}, 'win32', HOME), join(HOME, 'AppData', 'Local', 'resnet-torch'));
});

test('RESNET_TORCH_CACHE goes first, unless it is empty', () => {
  const environment = { RESNET_TORCH_CACHE: 'here', XDG_CACHE_HOME: resolve('xdg') };
  assert.equal(cacheDirectory(environment, 'linux', HOME), resolve('here'));
  assert.equal(cacheDirectory({ RESNET_TORCH_CACHE: '' }, 'linux', HOME), join(HOME, '.cache', 'resnet-torch'));
});
