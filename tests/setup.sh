#!/bin/sh
# Installs what the tests need from the system's packages, where it is missing.
set -eu

missing=""
for program in chromium firefox-esr haproxy openssl; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
command -v nginx >/dev/null 2>&1 || missing="$missing nginx-light"
# The program and its modules, without the service that the package apache2 starts.
command -v apache2 >/dev/null 2>&1 || missing="$missing apache2-bin"
# As of all these, its service stays off.
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
# 19 MB; its service stays off: the tests start their own.
command -v prometheus >/dev/null 2>&1 || missing="$missing prometheus"
# The engine of Chromium without its windows, which makes the tests of pages twice as fast. Another Chromium than that of the
# system's packages has none.
shell=""
if ! command -v chromium-headless-shell >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
	case "$missing" in *chromium*) shell=wanted ;; esac
	if dpkg-query -W chromium >/dev/null 2>&1; then shell=wanted; fi
fi
if [ -n "$missing$shell" ]; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "the tests need:$missing (install them by hand: there is no apt-get here)" >&2
		exit 1
	fi
	apt-get update -qq
	# both, as they have to be of one version
	if [ -n "$shell" ] && apt-cache show chromium-headless-shell >/dev/null 2>&1; then
		missing="$missing chromium chromium-headless-shell"
	elif [ -n "$shell" ]; then
		echo "there is no package chromium-headless-shell: the tests of pages take longer" >&2
	fi
	[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
"$(dirname "$0")/interop/python/setup.sh"
exec "$(dirname "$0")/browser/engines/setup.sh"
