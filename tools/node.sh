#!/usr/bin/env bash
# Installs the backend's packages by npm, when package-lock.json has changed since. Node.js comes with .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=app/backend/node_modules/.sd-app
want="$(sha256sum app/backend/package-lock.json | cut -d' ' -f1) $(.venv/bin/node --version)"
if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then exit 0; fi

started=$SECONDS
echo "set-up: the backend's packages by npm, with Node.js $(.venv/bin/node --version) (about a minute)"
.venv/bin/python -m tools.progress "installing the backend's packages" \
  .venv/bin/npm --prefix app/backend ci --no-audit --no-fund --loglevel=error || {
  echo "make: the backend's packages could not be installed (see above). It needs npm's registry: check the network, or npm's own settings" >&2
  exit 1
}
echo "$want" >"$stamp"
echo "set-up: the backend's packages are ready, $((SECONDS - started)) s"
