#!/usr/bin/env bash
# Checks the workflows of GitHub Actions: actionlint for what they say, zizmor for what could be done with them. actionlint is
# the one on PATH, or built once from its Go module into the cache; without Go it is left out, and said so.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.7.12

shopt -s nullglob
workflows=(.github/workflows/*.yml)
if [ ${#workflows[@]} = 0 ]; then exit 0; fi

zizmor --offline --quiet --no-progress "${workflows[@]}" >/dev/null || zizmor --offline --quiet --no-progress "${workflows[@]}"

kept=${SD_APP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sd-app}/actionlint-$VERSION
if [ -z "$(command -v actionlint)" ] && [ ! -x "$kept/actionlint" ] && command -v go >/dev/null; then
  echo "set-up: actionlint $VERSION, built once"
  GOBIN=$kept go install "github.com/rhysd/actionlint/cmd/actionlint@v$VERSION" >/dev/null 2>&1 || true
fi
export PATH=$PATH:$kept
if command -v actionlint >/dev/null; then
  actionlint "${workflows[@]}"
  echo "actionlint, zizmor: ${#workflows[@]} workflows, no faults"
else
  echo "zizmor: ${#workflows[@]} workflows, no faults (actionlint left out: neither it nor Go is here)"
fi
