#!/bin/sh
# Runs each fuzzer for SECONDS (60); findings and the grown corpus are kept under build/fuzz/corpus.
set -eu
cd "$(dirname "$0")/.."
SECONDS_EACH=${SECONDS:-60}
cmake --preset fuzz >/dev/null
ninja -C build/fuzz -j "$(nproc)"
status=0
for fuzzer in build/fuzz/bin/fuzz_*; do
  name=$(basename "$fuzzer")
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  echo "belay: $name for $SECONDS_EACH s"
  "$fuzzer" -max_total_time="$SECONDS_EACH" -rss_limit_mb=2048 -artifact_prefix="$corpus/finding-" "$corpus" 2>"$corpus.log" || {
    status=1
    tail -n 30 "$corpus.log"
  }
  grep -E '^(Done|DONE|#[0-9]+[[:space:]]+DONE)' "$corpus.log" | tail -n 1 || true
done
exit "$status"
