#!/usr/bin/env bash
# Lists every shell script of the checkout, NUL between them: *.sh, and files without suffix that begin with a shell's name.
set -euo pipefail
cd "$(dirname "$0")/.."

find . \( -name .venv -o -name .git -o -name node_modules -o -name '.sandbox' -o -name '.*_cache' \) -prune -o \
  -type f \( -name '*.sh' -o ! -name '*.*' -size -64k \) -print0 |
  while IFS= read -r -d '' file; do
    case $file in
      *.sh) printf '%s\0' "$file" ;;
      *) if head -c 64 "$file" | grep -aqE '^#!.*\b(ba|da)?sh\b'; then printf '%s\0' "$file"; fi ;;
    esac
  done
