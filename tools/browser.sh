#!/usr/bin/env bash
# Gets a browser for the page's tests: Debian's Chromium for root on Debian or Ubuntu, else Playwright's own, which needs no
# rights. Without one those tests are skipped by name.
set -euo pipefail
cd "$(dirname "$0")/.."

there() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -x "$(playwrights_own)" ]; }
playwrights_own() { (cd app/frontend && node --print "require('playwright-core').chromium.executablePath()"); }

if there; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then tools/system-packages.sh chromium; fi
if there; then exit 0; fi
echo "set-up: Playwright's Chromium (170 MB, once)"
(cd app/frontend && node node_modules/playwright-core/cli.js install chromium) ||
  echo "set-up: without a browser the page is not tried in one (Debian, Ubuntu: apt-get install chromium)"
