#!/bin/sh
# Runs every test of the build; a test that cannot run here is named as skipped, never counted as passed.
set -eu
cd "$(dirname "$0")/.."
log=build/test.log
status=0
# Four times as many at once as there are cores: what takes longest, tests on real hosts and through the API, mostly waits.
ctest --preset release --no-tests=error -j $(($(nproc) * 4)) >"$log" 2>&1 || status=$?
grep -E 'Test +#|tests? (passed|failed)' "$log" || true
if [ "$status" != 0 ]; then
  echo
  echo "belay: what failed said:"
  sed -n '/^The following tests FAILED/,$p' "$log"
  # Of each program that failed, what its failed tests said; GoogleTest's passed ones are left out.
  awk '/\*\*\*Failed|\*\*\*Timeout|\*\*\*Exception/ {show=1} / Start +[0-9]+:/ {show=0} show' "$log" |
    awk '/^\[ RUN      \]/ {held=$0; holding=1; next}
         /^\[       OK \]|^\[  SKIPPED \]/ {holding=0; held=""; next}
         /^\[  FAILED  \]/ && holding {print held; holding=0; held=""}
         /^\[[-=]+\]|^ *[0-9]+\/[0-9]+ Test .* Passed / {next}
         holding {held=held "\n" $0; next}
         {print}
         END {if (holding) print held}' | tail -n 400
fi
# Tests inside a program that were skipped, by name and reason. GoogleTest says the reason between the name it runs and the
# name it skipped.
skipped=$(awk '/^\[ RUN      \] / {reason=""; next}
  /^SKIP / {print; next}
  /^\[  SKIPPED \] [A-Za-z]/ && !/tests?, listed below/ {
    name=$4
    if (!(name in seen)) {seen[name]=1; print "SKIP " name ": " (reason == "" ? "no reason given" : reason)}
    next}
  /^\[/ {next}
  /Skipped$/ || /^[^ ]*\.(cpp|hpp):[0-9]+: Skipped/ {next}
  NF {reason=(reason == "" ? $0 : reason " " $0)}' build/Testing/Temporary/LastTest.log 2>/dev/null | sort -u || true)
if [ -n "$skipped" ]; then
  echo
  echo "belay: skipped here:"
  echo "$skipped" | sed 's/^/  /'
fi
exit "$status"
