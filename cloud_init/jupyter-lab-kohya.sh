#!/usr/bin/env bash
# Prepares the notebook for fine-tuning: kohya's sd-scripts with BLIP captions, in an environment of their own on the
# volume, and a Jupyter kernel for it. on-start.sh runs it in the background at every start; what the volume has kept
# is skipped.
export SD_APP_STATE=${SD_APP_STATE:-/home/ec2-user/SageMaker/.sd-app}
# shellcheck source=cloud_init/machine.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/machine.sh"

OWNER=ec2-user
VOLUME=/home/ec2-user/SageMaker
CODE=$VOLUME/kohya/sd-scripts
ENVIRONMENT=$VOLUME/kohya/venv

prepare() {
  stage network 600
  stage folders 60
  stage python 600
  stage code 600 "$SD_SCRIPTS_REF"
  stage dependencies 3600 "$SD_SCRIPTS_REF $KOHYA_PYTHON $KOHYA_TORCH_VERSION $KOHYA_TORCHVISION_VERSION $TIMM_VERSION $FAIRSCALE_VERSION $BITSANDBYTES_VERSION $IPYKERNEL_VERSION"
  stage package 600
  stage kernel 120
  write_file "$SD_APP_STATE/ready" "$(now)"
}

stage_folders() {
  install --directory --owner="$OWNER" --group="$OWNER" "$VOLUME/kohya" "$VOLUME/dataset" "$VOLUME/dataset/images" "$VOLUME/loras"
}

# The environment on the volume refers to this Python, which each stop takes away.
stage_python() {
  command -v "$KOHYA_PYTHON" >/dev/null || retry 6 dnf install --quiet --assumeyes "$KOHYA_PYTHON"
}

# The owner's: pip writes into it, and the model maker may. git asks root to say that it trusts such a folder.
stage_code() {
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$CODE
  fetch_commit "$SD_SCRIPTS_URL" "$SD_SCRIPTS_REF" "$CODE"
  chown -R "$OWNER:" "$CODE"
}

stage_dependencies() {
  local cut=$ENVIRONMENT.cut
  # What a power cut left of an environment nobody can tell: it is made anew. One in which pip failed is as it was.
  if [ -e "$cut" ] || [ ! -x "$ENVIRONMENT/bin/python" ]; then
    touch "$cut"
    run_as "$OWNER" "$KOHYA_PYTHON" -m venv --clear "$ENVIRONMENT"
    rm -f "$cut"
  fi
  if [ -z "${SD_APP_SKIP_TORCH:-}" ]; then
    pip_install "torch==$KOHYA_TORCH_VERSION" "torchvision==$KOHYA_TORCHVISION_VERSION" --index-url "$KOHYA_TORCH_INDEX_URL"
  fi
  # Its requirements name its own folder, so it is where pip is called from. The last four are named by versions.env:
  # BLIP's two are commented out there, and bitsandbytes (the 8-bit optimiser) is not pinned.
  cd "$CODE"
  local own=("timm==$TIMM_VERSION" "fairscale==$FAIRSCALE_VERSION" "bitsandbytes==$BITSANDBYTES_VERSION" "ipykernel==$IPYKERNEL_VERSION")
  if [ -n "${SD_APP_SKIP_TORCH:-}" ]; then own=(); fi
  pip_install --requirement requirements.txt "${own[@]}"
}

# The lab sheet and what its cells call, as the stack has them now; a sheet that somebody worked in stays as it is.
stage_package() {
  local package=$VOLUME/kohya/package
  rm -rf "$package.new"
  run_as "$OWNER" mkdir -p "$package.new"
  retry 6 run_as "$OWNER" aws s3 cp --only-show-errors "s3://$BUCKET_NAME/$NOTEBOOK_PACKAGE" "$package.new/training.tar.gz"
  run_as "$OWNER" tar --extract --file "$package.new/training.tar.gz" --directory "$package.new"
  rm -rf "$package"
  mv "$package.new" "$package"
  [ -e "$VOLUME/finetune.ipynb" ] || install --owner="$OWNER" --group="$OWNER" "$package/training/finetune.ipynb" "$VOLUME/"
  if [ -z "${SD_APP_SKIP_TORCH:-}" ]; then
    pip_install --requirement "$package/training/requirements.txt"
  fi
  run_as "$OWNER" bash -c "echo '$package' >\"\$(echo '$ENVIRONMENT'/lib/python*/site-packages)/sd-app.pth\""
}

# Ended by its own words, well or not, pip leaves an environment as it was, or whole; ended by anything else, nobody knows.
pip_install() {
  local status=0
  touch "$ENVIRONMENT.cut"
  retry 3 run_as "$OWNER" "$ENVIRONMENT/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@" || status=$?
  rm -f "$ENVIRONMENT.cut"
  return "$status"
}

stage_kernel() {
  if [ -n "${SD_APP_SKIP_TORCH:-}" ]; then return; fi
  run_as "$OWNER" "$ENVIRONMENT/bin/python" -m ipykernel install --user --name kohya --display-name "kohya sd-scripts"
}

main "$@"
