#!/usr/bin/env bash
# Makes .venv with the locked packages. Needs Python 3.11 or newer; PYTHON names another one than the first found.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.ready

die() { printf 'make: %s\n' "$1" >&2; exit 1; }

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if usable "$candidate"; then echo "$candidate"; return; fi
  done
  return 1
}

make_venv() {
  local python
  python=$(find_python) || die "needs Python 3.11 or newer; found: ${PYTHON:-$(python3 --version 2>&1 || true)}.
Debian, Ubuntu: apt-get install python3 python3-venv · others: https://www.python.org/downloads/ · or make PYTHON=/path/to/python3"
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    tools/system-packages.sh python3-venv
    "$python" -c 'import ensurepip' 2>/dev/null ||
      die "$python has no venv module. Debian, Ubuntu: apt-get install python3-venv"
  fi
  echo "set-up: .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
}

if ! usable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then make_venv; fi

started=$SECONDS
echo "set-up: installing $(grep -c '==' requirements.lock) pinned packages (1 to 3 minutes, 1 GB on disk)"
rm -f "$stamp"
.venv/bin/python -m tools.progress "installing packages" \
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off -r requirements.lock ||
  die "the packages could not be installed (see above). It needs a package index: check the network, or pip's own settings"
touch "$stamp"
echo "set-up: packages ready, $((SECONDS - started)) s"
