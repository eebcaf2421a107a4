#!/bin/sh
# The edge test, the formatter in checking mode, and clang-tidy over everything that is compiled.
set -eu
cd "$(dirname "$0")/.."
python3 tests/tidy/edges_test.py
git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run -Werror
ninja -C build -j "$(nproc)"
scripts/tidy.sh build "$PWD/src"
