#!/usr/bin/env bash
# Builds the designer's page into app/frontend/dist when its sources are others than those of the last build.
set -euo pipefail
cd "$(dirname "$0")/.."

page=app/frontend
export PATH="$PWD/.venv/bin:$PATH"

# Two commands at once build once.
mkdir -p .cache
exec 9>.cache/page.lock
if command -v flock >/dev/null; then flock 9; fi

want=$(
  find "$page" \( -name node_modules -o -name dist -o -name dist.new -o -name test -o -path "$page/public/config.json" \) -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 cksum | cksum
)
if [ "$(cat "$page/dist/.built" 2>/dev/null)" = "$want" ]; then exit 0; fi

started=$SECONDS
log=$(mktemp)
trap 'rm -rf "$log" "$page/dist.new"' EXIT
if ! npm --prefix "$page" run build --silent -- --outDir dist.new --emptyOutDir --logLevel warn >"$log" 2>&1; then
  cat "$log" >&2
  echo "make: the page could not be built (see above)" >&2
  exit 1
fi
# The stack's config is served from the sandbox's folder, never from a build.
rm -f "$page/dist.new/config.json"
echo "$want" >"$page/dist.new/.built"
rm -rf "$page/dist"
mv "$page/dist.new" "$page/dist"
echo "page: built, $((SECONDS - started)) s"
