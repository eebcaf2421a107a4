#!/bin/sh
# The edge test, the formatter in checking mode, and clang-tidy over everything that is compiled.
set -eu
cd "$(dirname "$0")/.."
python3 tests/tidy/edges_test.py
git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 --dry-run -Werror
ninja -C build -j "$(nproc)"
run-clang-tidy-19 -quiet -p build "$(pwd)/src/.*" 2>/dev/null | grep -E 'error:|warning:' >build/tidy.log || true
sort -u build/tidy.log | head -n 100
! grep -q 'error:' build/tidy.log
