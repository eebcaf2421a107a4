#!/bin/sh
# usage: tidy.sh BUILD SOURCES   clang-tidy over every compiled file under SOURCES, an absolute path. What it says is believed only
# if it ran over all of them and ended well.
set -eu
build=$1 sources=$2
status=0
run-clang-tidy-19 -quiet -p "$build" "$sources/.*" >"$build/tidy.out" 2>"$build/tidy.err" || status=$?
grep -E 'error:|warning:' "$build/tidy.out" | sort -u >"$build/tidy.log" || true
head -n 100 "$build/tidy.log"

sed -n "s|.*\"file\": *\"\($sources/[^\"]*\)\".*|\1|p" "$build/compile_commands.json" | sort -u >"$build/tidy.wanted"
sed -n "s|^\[.*clang-tidy.* \($sources/[^ ]*\)$|\1|p" "$build/tidy.out" | sort -u >"$build/tidy.looked"
missed=$(comm -23 "$build/tidy.wanted" "$build/tidy.looked")
if [ ! -s "$build/tidy.wanted" ] || [ -n "$missed" ]; then
  echo "belay: clang-tidy looked at $(wc -l <"$build/tidy.looked") of $(wc -l <"$build/tidy.wanted") files, so its silence means nothing; not at:" >&2
  echo "$missed" | head -n 5 >&2
  tail -n 5 "$build/tidy.err" >&2
  exit 1
fi
if [ "$status" != 0 ] || grep -q 'error:' "$build/tidy.log"; then
  echo "belay: clang-tidy ended with status $status; see $build/tidy.out and $build/tidy.err" >&2
  exit 1
fi
