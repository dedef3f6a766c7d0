#!/usr/bin/env bash
# What a training job's container starts: brings kohya's sd-scripts at the pinned commit and what both need into the image's
# Python, then runs the package. SD_SCRIPTS_DIR names an sd-scripts that is there already, with its packages.
set -euo pipefail

root=${SM_ROOT:-/opt/ml}
code=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$(command -v python3 || command -v python)}
# shellcheck source=cloud_init/versions.env
. "$code/versions.env"

fail() {
  printf '%s\n' "$1" >&2
  mkdir -p "$root/output"
  printf '%s' "$1" >"$root/output/failure"
  exit 1
}

retry() { # TIMES COMMAND…
  local times=$1 at=1
  shift
  until "$@"; do
    if [ "$at" -ge "$times" ]; then return 1; fi
    echo "once more in $((at * 10)) s: $*" >&2
    sleep "$((at * ${RETRY_STEP_S:-10}))"
    at=$((at + 1))
  done
}

fetch() { # the pinned commit alone; git itself checks that it is that one
  git -C "$SD_SCRIPTS_DIR" fetch --quiet --depth 1 "$SD_SCRIPTS_URL" "$SD_SCRIPTS_REF" &&
    git -C "$SD_SCRIPTS_DIR" checkout --quiet --force FETCH_HEAD
}

# The image's own torch stays, whatever else is installed: it was built for the image's CUDA.
install_packages() {
  local own
  own=$("$python" -c 'import torch; print(torch.__version__.partition("+")[0])' 2>/dev/null || true)
  if [ "$own" != "$KOHYA_TORCH_VERSION" ]; then
    echo "torch of the image: ${own:-none}; sd-scripts was made for $KOHYA_TORCH_VERSION" >&2
  fi
  if [ -n "$own" ]; then echo "torch==$own"; else echo "torch==$KOHYA_TORCH_VERSION"; fi >"$SD_SCRIPTS_DIR/.constraints"
  # Its requirements name its own folder, so it is where pip is called from.
  (cd "$SD_SCRIPTS_DIR" && "$python" -m pip install --quiet --no-input --disable-pip-version-check \
    --constraint .constraints --requirement requirements.txt --requirement "$code/training/requirements.txt" \
    "bitsandbytes==$BITSANDBYTES_VERSION" torchvision)
}

# As a container's first process bash would not hear it otherwise.
trap 'exit 143' TERM

if [ -z "${SD_SCRIPTS_DIR:-}" ]; then
  export SD_SCRIPTS_DIR=${SD_SCRIPTS_PLACE:-/opt/sd-scripts}
  echo 'sd-app: {"stage": "install"}'
  mkdir -p "$SD_SCRIPTS_DIR"
  git -C "$SD_SCRIPTS_DIR" init --quiet
  retry 3 fetch || fail "sd-scripts could not be fetched from $SD_SCRIPTS_URL at $SD_SCRIPTS_REF: has the job a way to the internet?"
  retry 3 install_packages || fail "the packages of sd-scripts could not be installed: has the job a way to a package index?"
fi

export PYTHONPATH=$code${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -m training.job
