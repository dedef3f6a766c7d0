#!/usr/bin/env bash
# Prepares the ML server: ComfyUI with its node packs on torch with CUDA, models from S3, a server each for text and
# sketch, a picture each before it says ready. sd-app-prepare.service runs it at every boot; stages that are done are
# skipped, so it goes on where it stopped, and a woken machine does only what its empty instance store asks for.
# shellcheck source=cloud_init/machine.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/machine.sh"

HOME_FOLDER=/var/lib/comfyui   # models, and a folder for each server; the only place that ComfyUI may write to
CODE=/opt/comfyui              # root's
COMFYUI=$CODE/ComfyUI
PYTHON=$CODE/venv/bin/python
CONSTRAINTS=$CODE/constraints.txt
INSTANCE_STORE=/opt/dlami/nvme # where the Deep Learning AMI mounts it; empty after each stop
PORTS=("$COMFYUI_TEXT_PORT" "$COMFYUI_SKETCH_PORT")

# Name, address and commit of each node pack.
packs() {
  echo "ComfyUI-Manager $MANAGER_URL $MANAGER_REF"
  echo "comfyui_controlnet_aux $CONTROLNET_AUX_URL $CONTROLNET_AUX_REF"
  echo "ComfyUI_Comfyroll_CustomNodes $COMFYROLL_URL $COMFYROLL_REF"
}

prepare() {
  local code torch
  code="$COMFYUI_REF $(packs)"
  torch="$COMFYUI_PYTHON $TORCH_VERSION $TORCHVISION_VERSION $TORCHAUDIO_VERSION"
  stage network 600
  stage tools 900 "$AWSCLI_VERSION $BOTO3_VERSION $COMFYUI_PYTHON"
  # Models arrive while the rest goes on; the stage "models" waits for them.
  place_models
  systemctl start --no-block sd-app-models.service
  if [ -z "${SD_APP_SKIP_TORCH:-}" ]; then stage driver 300; fi
  if [ -e "$CODE/incomplete" ]; then rm -f "$SD_APP_STATE"/stamps/{dependencies,packs} && rm -f "$CODE/incomplete"; fi
  stage code 900 "$code"
  stage dependencies 2400 "$code $torch"
  stage packs 900 "$code $torch"
  stage server 300
  stage models 2400
  stage warm-up 900
  systemctl enable --now sd-app-models.timer
}

stage_tools() {
  # libGL and GLib are OpenCV's, which the preprocessors use.
  install_tools "$COMFYUI_PYTHON-venv" libgl1 libglib2.0-0
  id comfyui >/dev/null 2>&1 || useradd --system --home-dir "$HOME_FOLDER" --shell /usr/sbin/nologin comfyui
  # systemd's timers read no environment file. An empty value resets every kind of interval, and without OnActiveSec the
  # timer never begins: systemd forgets when a unit that nothing refers to ended.
  write_file /etc/systemd/system/sd-app-models.timer.d/interval.conf \
    "$(printf '[Timer]\nOnUnitInactiveSec=\n%s\n%s' "OnActiveSec=${MODEL_SYNC_SECONDS}s" "OnUnitInactiveSec=${MODEL_SYNC_SECONDS}s")"
  write_file /etc/systemd/system/sd-app-prepare.service.d/instance-store.conf "$(printf '[Unit]\nAfter=dlami-nvme.service')"
  systemctl daemon-reload
  # Before anything else can fail: a broken machine must not cost money for ever.
  systemctl enable --now sd-app-idle.timer
}

# The models lie on the instance store where there is one: it is faster than the disk, and empty after each stop.
place_models() {
  local models=$HOME_FOLDER/models-on-disk port
  if mountpoint --quiet "$INSTANCE_STORE"; then models=$INSTANCE_STORE/sd-app-models; fi
  install --directory "$HOME_FOLDER" "$models" "$models/checkpoints" "$models/loras"
  install --directory --owner=comfyui --group=comfyui "$models/annotators"
  ln -sfn "$models" "$HOME_FOLDER/models"
  for port in "${PORTS[@]}"; do
    install --directory --owner=comfyui --group=comfyui --mode=0750 "$HOME_FOLDER/$port" \
      "$HOME_FOLDER/$port"/{user,input,output,temp} "$HOME_FOLDER/$port/user/__manager"
    # Anew at each boot: what was changed from inside does not last.
    install --owner=comfyui --group=comfyui --mode=0640 "$SD_APP_ETC/manager.ini" \
      "$HOME_FOLDER/$port/user/__manager/config.ini"
  done
}

stage_driver() {
  local version
  version=$(retry 5 nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)
  [ "${version%%.*}" -ge "$NVIDIA_DRIVER_MIN" ] ||
    die "NVIDIA driver $version is older than $NVIDIA_DRIVER_MIN, which CUDA 13 asks for: take a newer image (mlServer.amiId)"
  echo "NVIDIA driver $version"
}

stage_code() {
  local name url ref fetch fetches=()
  fetch_commit "$COMFYUI_URL" "$COMFYUI_REF" "$COMFYUI"
  bring_back_packs
  while read -r name url ref; do
    fetch_commit "$url" "$ref" "$COMFYUI/custom_nodes/$name" &
    fetches+=($!)
  done < <(packs)
  for fetch in "${fetches[@]}"; do wait "$fetch"; done
}

stage_dependencies() {
  local name rest
  # Cut off in the middle of an installation, it is made anew: nobody knows what it lacks. pip keeps what it downloaded.
  if [ -e "$CODE/installing" ] || ! "$CODE/venv/bin/$COMFYUI_PYTHON" -m pip --version; then
    "$COMFYUI_PYTHON" -m venv --clear "$CODE/venv"
    rm -f "$CODE/installing"
  fi
  : >"$CONSTRAINTS"
  if [ -z "${SD_APP_SKIP_TORCH:-}" ]; then
    pip_install "torch==$TORCH_VERSION" "torchvision==$TORCHVISION_VERSION" "torchaudio==$TORCHAUDIO_VERSION" \
      --index-url "$TORCH_INDEX_URL"
    # From here on nothing may bring another torch along, or other CUDA libraries.
    "$PYTHON" -m pip freeze | grep -Ei '^(torch|torchvision|torchaudio|triton|nvidia-[a-z0-9-]+)==' >"$CONSTRAINTS"
  fi
  pip_install --requirement "$COMFYUI/requirements.txt"
  # The packs may not move what ComfyUI was installed with.
  "$PYTHON" -m pip freeze | grep '==' >"$CONSTRAINTS.new" || true
  mv "$CONSTRAINTS.new" "$CONSTRAINTS"
  bring_back_packs
  while read -r name rest; do
    if [ ! -f "$COMFYUI/custom_nodes/$name/requirements.txt" ]; then continue; fi
    pip_install --requirement "$COMFYUI/custom_nodes/$name/requirements.txt" || {
      # The stage "packs" tells whether it can do without them.
      note "requirements of node pack $name could not be installed; the next boot tries again"
      touch "$CODE/incomplete"
    }
  done < <(packs)
}

pip_install() {
  local status=0
  touch "$CODE/installing"
  retry 6 "$PYTHON" -m pip install --quiet --no-input --disable-pip-version-check --constraint "$CONSTRAINTS" "$@" || status=$?
  rm -f "$CODE/installing"
  return "$status"
}

# ComfyUI passes over folders with this ending.
leave_out() {
  note "node pack $1 is left out: $2"
  mv "$COMFYUI/custom_nodes/$1" "$COMFYUI/custom_nodes/$1.disabled"
}

# What was left out before is tried again, and told again: a power cut may have come between the two.
bring_back_packs() {
  local name rest
  while read -r name rest; do
    if [ -d "$COMFYUI/custom_nodes/$name.disabled" ]; then
      rm -rf "$COMFYUI/custom_nodes/$name"
      mv "$COMFYUI/custom_nodes/$name.disabled" "$COMFYUI/custom_nodes/$name"
    fi
  done < <(packs)
}

# A ComfyUI that starts and ends, with all packs at once: a start with torch takes long. When that does not end well, one
# pack after the other: one that fails to import, or takes ComfyUI down, is left out.
stage_packs() {
  local name rest output good=()
  bring_back_packs
  if output=$(try_comfyui) && ! grep --quiet --fixed-strings '(IMPORT FAILED)' <<<"$output"; then return; fi
  output=$(try_comfyui --disable-all-custom-nodes) || {
    tail -n 20 <<<"$output"
    die "ComfyUI $COMFYUI_REF itself does not start"
  }
  while read -r name rest; do
    if ! output=$(try_comfyui --disable-all-custom-nodes --whitelist-custom-nodes "${good[@]}" "$name"); then
      tail -n 20 <<<"$output"
      leave_out "$name" "ComfyUI ends with it: $(tail -n 1 <<<"$output")"
    elif grep --quiet --fixed-strings '(IMPORT FAILED)' <<<"$output"; then
      tail -n 40 <<<"$output"
      leave_out "$name" "its import failed: $(sed -n 's/^Cannot import .* for custom nodes: //p' <<<"$output" | tail -n 1)"
    else
      good+=("$name")
    fi
  done < <(packs)
}

# Confined as comfyui@.service is: packs run here for the first time.
try_comfyui() {
  local try=$HOME_FOLDER/try status=0
  rm -rf "$try"
  install --directory --owner=comfyui --group=comfyui "$try" "$try"/{user,input,output,temp} "$try/user/__manager"
  install --owner=comfyui --group=comfyui "$SD_APP_ETC/manager.ini" "$try/user/__manager/config.ini"
  systemd-run --quiet --pipe --wait --collect --uid=comfyui --working-directory="$try" --setenv=HOME="$try" \
    --setenv=AUX_ANNOTATOR_CKPTS_PATH="$HOME_FOLDER/models/annotators" --setenv=PYTHONDONTWRITEBYTECODE=1 \
    --property=RuntimeMaxSec=180 --property=ProtectSystem=strict \
    --property=ReadWritePaths="$try $(readlink -f "$HOME_FOLDER/models/annotators")" \
    --property=IPAddressDeny=169.254.169.254 --property=InaccessiblePaths="-/var/lib/cloud -/opt/sd-app" \
    --property=ProtectHome=yes --property=PrivateTmp=yes --property=NoNewPrivileges=yes --property=CapabilityBoundingSet= \
    "$PYTHON" "$COMFYUI/main.py" --quick-test-for-ci --cpu --user-directory "$try/user" \
    --input-directory "$try/input" --output-directory "$try/output" --temp-directory "$try/temp" \
    --database-url "sqlite:///$try/comfyui.db" "$@" </dev/null 2>&1 || status=$?
  rm -rf "$try"
  return "$status"
}

stage_server() {
  local port starts
  for port in "${PORTS[@]}"; do systemctl restart "comfyui@$port.service"; done
  for port in "${PORTS[@]}"; do
    until curl --silent --output /dev/null --max-time 5 "http://127.0.0.1:$port/system_stats"; do
      starts=$(systemctl show --property=NRestarts --value "comfyui@$port.service")
      if [ "$starts" -ge 3 ] || [ "$SECONDS" -ge 240 ]; then
        # Its own words, not systemd's on it.
        journalctl "_SYSTEMD_UNIT=comfyui@$port.service" _TRANSPORT=stdout --boot --lines 20 --no-pager --output cat
        die "ComfyUI on port $port does not answer after $SECONDS seconds, it was started again $starts times"
      fi
      sleep 0.5
    done
  done
}

# Joins the sync that began with the boot, then does another, which sees whether the servers offer what came.
stage_models() {
  local told=/run/sd-app/models.txt
  if [ "$(systemctl is-active sd-app-models.service)" = activating ]; then systemctl start sd-app-models.service 2>/dev/null || true; fi
  systemctl start sd-app-models.service 2>/dev/null || true
  [ -f $told ] || {
    journalctl _SYSTEMD_UNIT=sd-app-models.service --boot --lines 20 --no-pager --output cat
    die "the models could not be fetched from s3://$BUCKET_NAME"
  }
  if [ ! -f "$HOME_FOLDER/models/checkpoints/$COMFYUI_CHECKPOINT" ] &&
    sed 's/; /\n/g' $told | grep "/$COMFYUI_CHECKPOINT left out"; then
    die "no picture can be made without $COMFYUI_CHECKPOINT"
  fi
  note "$(cat /run/sd-app/arrived.txt $told 2>/dev/null)"
}

# A first picture loads the model into the GPU's memory, and shows that all of it works.
stage_warm-up() {
  local port picture pictures=()
  if [ ! -f "$HOME_FOLDER/models/checkpoints/$COMFYUI_CHECKPOINT" ]; then
    note "no picture was tried: models/checkpoints/$COMFYUI_CHECKPOINT is not in the bucket; python -m ops models push brings it there"
    return
  fi
  for port in "${PORTS[@]}"; do
    first_picture "$port" &
    pictures+=($!)
  done
  for picture in "${pictures[@]}"; do wait "$picture"; done
}

first_picture() {
  local told
  told=$(python3 "$(dirname "$(readlink -f "$0")")/warm_up.py" "$1" "$COMFYUI_CHECKPOINT")
  note "$told"
}

main "$@"
