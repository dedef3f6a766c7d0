#!/usr/bin/env bash
# Writes requirements.lock anew from requirements-dev.txt. Versions already locked stay unless a requirement forbids them.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q uv
if [ -f requirements.lock ]; then cp requirements.lock "$work/lock"; fi
"$work/venv/bin/uv" pip compile -q --universal --python-version 3.11 --no-header --annotation-style line \
  --output-file "$work/lock" requirements-dev.txt
{
  echo "# Every package that \`make\` installs, at its exact version: so an install today and one next year are the same."
  echo "# Made from requirements-dev.txt by \`make lock\`; what brings a package along stands beside it."
  grep -v win32 "$work/lock"
} > "$work/new"
mv "$work/new" requirements.lock
