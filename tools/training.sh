#!/usr/bin/env bash
# Makes the training environment (torch, diffusers, transformers at the versions of training/requirements.lock) in the cache
# of the project, and prints its Python. `tools/training.sh lock` writes the lock anew.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=training/requirements.lock
cache=${SD_APP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sd-app}

say() { printf '%s\n' "$1" >&2; }
die() { say "make: $1"; exit 1; }

# torch 2.6 has wheels up to Python 3.13.
usable() { "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 .venv/bin/python}; do
    if usable "$candidate"; then echo "$candidate"; return; fi
  done
  die "the training environment needs Python 3.11 to 3.13 with its venv module (torch 2.6 has no wheel for others)"
}

get_uv() { # FOLDER: a venv with uv in it
  "$(find_python)" -m venv --clear "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check uv
}

if [ "${1:-}" = lock ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  get_uv "$work/venv"
  if [ -f "$lock" ]; then cp "$lock" "$work/lock"; fi
  "$work/venv/bin/uv" pip compile -q --universal --python-version 3.11 --no-header --annotation-style line \
    --output-file "$work/lock" training/requirements-dev.txt
  {
    echo "# The training environment's packages at their exact versions: made from requirements-dev.txt by \`tools/training.sh lock\`."
    grep -v win32 "$work/lock"
  } >"$work/new"
  mv "$work/new" "$lock"
  exit 0
fi

# Another lock is another environment; what an interruption left has no mark and is made anew.
place=$cache/training-$(cksum <"$lock" | tr ' ' '-')
ready=$place/.ready
mkdir -p "$place"
exec 9>"$place.lock"
if command -v flock >/dev/null; then flock 9; fi
if [ ! -f "$ready" ]; then
  started=$SECONDS
  say "set-up: the training environment, $(grep -c '==' "$lock") pinned packages with torch (1 to 10 minutes, 6 GB in $place)"
  rm -rf "$place/venv"
  get_uv "$place/venv" || die "no package index: check the network, or pip's own settings"
  # A cache of its own, on the same disk, so that files are linked and not copied; gone afterwards.
  python3 -m tools.progress "installing torch and what goes with it" \
    "$place/venv/bin/uv" pip install --quiet --python "$place/venv/bin/python" --cache-dir "$place/cache" --requirement "$lock" ||
    die "the training environment could not be installed (see above). It needs a package index: check the network, or pip's own settings"
  rm -rf "$place/cache"
  touch "$ready"
  say "set-up: the training environment is ready, $((SECONDS - started)) s, $(du -sh "$place/venv" | cut -f1)"
fi
echo "$place/venv/bin/python"
