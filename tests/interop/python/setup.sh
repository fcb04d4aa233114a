#!/bin/sh
# Fetches the Python clients that python.test.mjs drives, each into a folder of its own, because three of them are one
# module. They go to $PARLANCE_PYTHON (default: parlance-python in the user's cache folder). May be run again at any time:
# what is there stays.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${PARLANCE_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/parlance-python}
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "the tests need python3 with venv (install it by hand: there is no apt-get here)" >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
mkdir -p "$target"
[ -x "$target/venv/bin/pip" ] || python3 -m venv "$target/venv"
for client in $(cat "$here/clients.txt"); do
	folder="$target/$(echo "$client" | sed 's/\[.*\]//; s/==/-/')"
	[ -d "$folder" ] && continue
	rm -rf "$folder.part"
	"$target/venv/bin/pip" install --quiet --disable-pip-version-check --constraint "$here/constraints.txt" --target "$folder.part" "$client"
	mv "$folder.part" "$folder"
done
