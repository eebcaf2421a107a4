#!/bin/sh
# Installs the Debian packages named in the files given (scripts/packages*.txt) that are not there yet.
# May be repeated; says what it does; asks sudo where it is not root.
set -eu
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# NAME=@OTHER: at the version of OTHER, where OTHER is installed and the archives still have NAME at that version.
resolve() {
  other=${1#*=@}
  if [ "$other" != "$1" ]; then
    version=$(dpkg-query -W -f '${Version}' "$other" 2>/dev/null || true)
    if [ -n "$version" ] && apt-cache show "${1%%=*}=$version" >/dev/null 2>&1; then
      echo "${1%%=*}=$version"
    else
      echo "${1%%=*}"
    fi
  else
    echo "$1"
  fi
}

missing=""
for package in $(sed 's/#.*//' "$@"); do
  is_installed "${package%%=*}" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "belay: installing Debian packages:$missing"
if ! command -v apt-get >/dev/null; then
  echo "belay: this machine has no apt-get; install what provides these by hand, then run make again" >&2
  exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=900 -o Acquire::Retries=3 "$@" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "belay: apt-get $1 failed; its last lines are above. Mend that and run make again" >&2
    exit 1
  }
}
# Lists older than a day may name files that the mirror has dropped.
if [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
  echo "belay: refreshing the package lists"
  apt update
fi
resolved=""
for package in $missing; do
  resolved="$resolved $(resolve "$package")"
done
# shellcheck disable=SC2086
apt install -y --no-install-recommends $resolved
