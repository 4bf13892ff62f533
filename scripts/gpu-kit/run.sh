#!/usr/bin/env bash
# Unpacks the kit into a folder of its own, and builds and measures there. Needs bash, Python with PyTorch, a C++ compiler,
# CMake and, for a GPU, nvcc; no network, no Node, no package manager. See README.txt, and `run.sh --help`.
set -u
kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
work=${TMPDIR:-/tmp}/resnet-torch-gpu-kit-$(id -u)
python=python3
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --work) work=${2:?--work takes a folder}; shift 2 ;;
    --python) python=${2:?--python takes a file}; options+=("$1" "$2"); shift 2 ;;
    *) options+=("$1"); shift ;;
  esac
done

# xz is often missing where Python is not.
unpack() {
  if command -v xz >/dev/null; then
    tar -xJf "$1" -C "$2" --no-same-owner
  else
    "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$2"
  fi
}

mkdir -p "$work" && work=$(cd "$work" && pwd) || exit 1
SECONDS=0
if ! cmp -s "$kit/CONTENTS.json" "$work/CONTENTS.json"; then
  echo "Unpacking to $work" >&2
  for archive in node modules project; do
    unpack "$kit/$archive.tar.xz" "$work" || { echo "$archive.tar.xz could not be unpacked to $work" >&2; exit 1; }
  done
  cp "$kit/CONTENTS.json" "$work/CONTENTS.json" && chmod -R u+w "$work" || exit 1
fi
node=$work/node/bin/node
if ! "$node" --version >/dev/null 2>&1; then
  echo "The Node of the kit does not run here: it needs Linux with glibc on the processor that it was packed on." >&2
  "$node" --version >&2
  exit 1
fi
export PATH=$work/node/bin:$PATH RESNET_TORCH_KIT_UNPACKED=$SECONDS
# "${options[@]}" of nothing is an error of older bash under set -u.
exec "$node" "$work/scripts/gpu-kit/main.mjs" ${options[@]+"${options[@]}"}
