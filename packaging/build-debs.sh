#!/bin/sh
# Makes belay-server, belay-agent and belay (the command line) as .deb files under build/packages.
# BELAY_BIN and BELAY_PACKAGES name other folders of the binaries and of what is made.
# Dependencies are read off the binaries, so they are those of the Debian release this runs on.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^project(belay VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
architecture=$(dpkg --print-architecture)
bin=${BELAY_BIN:-build/bin}
out=${BELAY_PACKAGES:-build/packages}
stage=$out/stage
rm -rf "$out"
mkdir -p "$stage"

# The Debian packages that own the shared libraries a binary loads.
depends_of() {
  ldd "$1" 2>/dev/null | awk '$3 ~ "^/" {print $3}' | while read -r library; do
    real=$(readlink -f "$library")
    dpkg -S "$library" "$real" "${real#/usr}" 2>/dev/null | head -n 1 | cut -d: -f1
  done | sort -u | paste -sd, | sed 's/,/, /g'
}

control() { # package, summary, depends
  mkdir -p "$stage/$1/DEBIAN" "$stage/$1/usr/share/doc/$1"
  cp LICENSE NOTICE "$stage/$1/usr/share/doc/$1/"
  cat >"$stage/$1/DEBIAN/control" <<TEXT
Package: $1
Version: $version
Architecture: $architecture
Maintainer: Belay maintainers <maintainers@belay.invalid>
Section: admin
Priority: optional
Depends: $3
Description: $2
 Belay patches Linux fleets with a proven way back.
TEXT
}

install_binary() { # package, binary
  mkdir -p "$stage/$1/usr/bin"
  cp "$bin/$2" "$stage/$1/usr/bin/$2"
  strip "$stage/$1/usr/bin/$2"
  chmod 755 "$stage/$1/usr/bin/$2"
}

unit() { # package, unit
  mkdir -p "$stage/$1/lib/systemd/system"
  cp "packaging/$2" "$stage/$1/lib/systemd/system/$2"
  cat >"$stage/$1/DEBIAN/prerm" <<TEXT
#!/bin/sh
set -e
# A run under way lives in a unit of its own and is not stopped by this.
if [ "\$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now $2 || true; fi
TEXT
  chmod 755 "$stage/$1/DEBIAN/prerm"
}

control belay-server "patch management server for Linux fleets" "$(depends_of "$bin/belayd"), adduser, tzdata"
install_binary belay-server belayd
unit belay-server belayd.service
cat >"$stage/belay-server/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  getent passwd belay >/dev/null || adduser --system --group --home /var/lib/belay --no-create-home --quiet belay
  install -d -m 0700 -o belay -g belay /var/lib/belay
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl try-restart belayd.service || true; fi
fi
TEXT
chmod 755 "$stage/belay-server/DEBIAN/postinst"

control belay-agent "agent of the Belay patch management server" "systemd | sysvinit-core"
install_binary belay-agent belay-agent
unit belay-agent belay-agent.service
mkdir -p "$stage/belay-agent/usr/share/doc/belay-agent/examples"
cp packaging/agent-policy.toml "$stage/belay-agent/usr/share/doc/belay-agent/examples/"
cat >"$stage/belay-agent/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  install -d -m 0700 /var/lib/belay-agent /etc/belay
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl try-restart belay-agent.service || true; fi
fi
TEXT
chmod 755 "$stage/belay-agent/DEBIAN/postinst"

control belay "command line of the Belay patch management server" "$(depends_of "$bin/belay"), tzdata"
install_binary belay belay

for package in belay-server belay-agent belay; do
  dpkg-deb --root-owner-group --build "$stage/$package" "$out" >/dev/null
done
rm -rf "$stage"
ls -l "$out" | awk 'NR > 1 {print $NF, $5 " bytes"}'
