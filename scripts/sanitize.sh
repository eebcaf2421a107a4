#!/bin/sh
# The unit tests under AddressSanitizer with UBSan, then ThreadSanitizer.
set -eu
cd "$(dirname "$0")/.."
for preset in asan tsan; do
  echo "belay: unit tests under $preset"
  cmake --preset "$preset" >/dev/null
  ninja -C "build/$preset" -j "$(nproc)"
  ctest --preset "$preset" -L unit -LE not-sanitized --no-tests=error
done
