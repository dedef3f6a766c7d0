#!/usr/bin/env bash
# Installs the backend's packages as package-lock.json has them. Node.js and npm come with .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=app/backend/node_modules/.ready

die() { printf 'make: %s\n' "$1" >&2; exit 1; }

export PATH="$PWD/.venv/bin:$PATH"
version=$(node --version) || die ".venv has no Node.js: remove .venv, and run make again"
want="$version $(cksum <app/backend/package-lock.json)"
if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
  touch "$stamp" # make goes by its time: .venv was made anew, or the lock file only looks newer
  exit 0
fi

started=$SECONDS
echo "set-up: the backend's packages by npm, with Node.js $version (about a minute)"
rm -f "$stamp"
python -m tools.progress "installing the backend's packages" \
  npm --prefix app/backend ci --no-audit --no-fund --loglevel=error ||
  die "the backend's packages could not be installed (see above). It needs npm's registry: check the network, or npm's own settings"
echo "$want" >"$stamp"
echo "set-up: the backend's packages are ready, $((SECONDS - started)) s"
