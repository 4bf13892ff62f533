import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from './log.mjs';
import { ask } from './run.mjs';

/** The C++ compiler that CMake would take, or null. */
function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  return candidates.find((name) => ask(name, ['--version']) !== null) ?? null;
}

/** Whether a program of these lines compiles. */
function compiles(compiler, source) {
  const folder = mkdtempSync(join(tmpdir(), 'resnet-torch-'));
  try {
    const file = join(folder, 'probe.cc');
    writeFileSync(file, source);
    const jpeg = process.platform === 'darwin' ? ['-I/opt/homebrew/opt/jpeg-turbo/include', '-I/usr/local/opt/jpeg-turbo/include'] : [];
    return ask(compiler, ['-std=c++20', '-fsyntax-only', ...jpeg, file]) !== null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CMake's version, as numbers, or null. */
function cmakeVersion() {
  const found = ask('cmake', ['--version'])?.match(/version (\d+)\.(\d+)/);
  return found ? [Number(found[1]), Number(found[2])] : null;
}

/**
 * Names everything that the build needs and that is missing, in one message, with the packages that hold it.
 *
 * @throws {SetupError}
 */
export function checkToolchain() {
  const missing = [];
  const compiler = findCompiler();
  if (compiler === null) {
    missing.push('a C++ compiler');
  } else {
    if (!compiles(compiler, '#include <concepts>\n#include <span>\ntemplate <std::integral T> T f(T x) { return x; }\n')) {
      missing.push(`a C++ compiler with C++20 (${compiler} has none: GCC 11 or Clang 14 and newer do)`);
    }
    if (!compiles(compiler, '#include <cstdio>\n#include <jpeglib.h>\n#ifndef LIBJPEG_TURBO_VERSION\n#error "not libjpeg-turbo"\n#endif\n')) {
      missing.push('the headers of libjpeg-turbo');
    }
  }
  const cmake = cmakeVersion();
  if (cmake === null) missing.push('cmake');
  else if (cmake[0] < 3 || (cmake[0] === 3 && cmake[1] < 21)) missing.push(`cmake 3.21 or newer (${cmake.join('.')} is there)`);
  if (missing.length === 0) return;
  throw new SetupError(
    [
      `To build the addon, this is missing: ${missing.join(', ')}.`,
      '  Debian, Ubuntu: sudo apt-get install g++ cmake ninja-build libjpeg62-turbo-dev   (Ubuntu: libjpeg-turbo8-dev)',
      '  Fedora:         sudo dnf install gcc-c++ cmake ninja-build libjpeg-turbo-devel',
      '  macOS:          xcode-select --install && brew install cmake ninja jpeg-turbo',
    ].join('\n'),
  );
}
