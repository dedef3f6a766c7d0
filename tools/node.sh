#!/usr/bin/env bash
# Installs an app's packages as its package-lock.json has them. Argument: backend or frontend. Node.js and npm come with
# .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

app=$1
stamp=app/$app/node_modules/.ready

die() { printf 'make: %s\n' "$1" >&2; exit 1; }

export PATH="$PWD/.venv/bin:$PATH"
version=$(node --version) || die ".venv has no Node.js: remove .venv, and run make again"
want="$version $(cksum <"app/$app/package-lock.json")"
if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
  touch "$stamp" # make goes by its time: .venv was made anew, or the lock file only looks newer
  exit 0
fi

started=$SECONDS
echo "set-up: the $app's packages by npm, with Node.js $version (about a minute)"
rm -f "$stamp"
python -m tools.progress "installing the $app's packages" \
  npm --prefix "app/$app" ci --no-audit --no-fund --loglevel=error ||
  die "the $app's packages could not be installed (see above). It needs npm's registry: check the network, or npm's own settings"
echo "$want" >"$stamp"
echo "set-up: the $app's packages are ready, $((SECONDS - started)) s"
