#!/bin/sh
# The unit tests under AddressSanitizer with UBSan, then ThreadSanitizer; those that need real hosts or databases are not
# among them, and the simulator runs fewer seeds.
set -eu
cd "$(dirname "$0")/.."
for preset in asan tsan; do
  echo "belay: unit tests under $preset"
  cmake --preset "$preset" >/dev/null
  ninja -C "build/$preset" -j "$(nproc)"
  ctest --preset "$preset" -L unit -LE 'system|not-sanitized' --no-tests=error -j "$(nproc)"
done
