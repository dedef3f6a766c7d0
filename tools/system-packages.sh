#!/usr/bin/env bash
# Installs Debian packages that some tests use, when they are missing and this is root on Debian or Ubuntu.
# Otherwise says what is missing and goes on: those tests are skipped by name. Arguments: the packages.
set -euo pipefail

declare -A command_of=([cloud-init]=cloud-init [systemd]=systemd-analyze [chromium]=chromium)
missing=()
for package in "$@"; do
  if [ -n "${command_of[$package]:-}" ]; then
    command -v "${command_of[$package]}" >/dev/null || missing+=("$package")
  else
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "set-up: without ${missing[*]}, some tests are skipped (Debian, Ubuntu: apt-get install ${missing[*]})"
  exit 0
fi
echo "set-up: apt-get install ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_missing() { apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null; }
if ! install_missing && ! { apt-get update >"$log" 2>&1 </dev/null && install_missing; }; then
  tail -n 5 "$log" >&2
  echo "set-up: could not install ${missing[*]}; some tests are skipped"
  exit 0
fi
# The tests only check files with it; this machine's own boot must not begin to use it.
case " ${missing[*]} " in *" cloud-init "*) mkdir -p /etc/cloud && touch /etc/cloud/cloud-init.disabled ;; esac
