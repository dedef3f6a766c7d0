# shellcheck shell=bash
# What every machine's script shares: its environment, named stages that are run once, the readiness record, retries.
# A script sources this, defines stage_<name> functions and prepare(), and ends with: main "$@"
set -euo pipefail
umask 022

SD_APP_ETC=${SD_APP_ETC:-/etc/sd-app}
SD_APP_STATE=${SD_APP_STATE:-/var/lib/sd-app}
SD_APP_TOOLS=${SD_APP_TOOLS:-/opt/sd-app/tools}
SD_APP_BIN=${SD_APP_BIN:-/opt/sd-app/bin}
MESSAGE_LIMIT=1000 # characters; a standard SSM parameter holds 4 KB in all

set -a
# shellcheck source=/dev/null
. "$SD_APP_ETC/versions.env"
# shellcheck source=/dev/null
. "$SD_APP_ETC/machine.env"
set +a
# The aws command reads this one alone. Its folder comes last in PATH: an aws that the image brings is as good.
export AWS_DEFAULT_REGION=$AWS_REGION PATH="$PATH:$SD_APP_TOOLS/bin"

# Runs the stage named by the argument, or all of them.
main() {
  if [ $# -gt 0 ]; then
    "stage_$1"
    return
  fi
  trap 'ended $? "$BASH_COMMAND"' EXIT
  mkdir -p "$SD_APP_STATE/stamps" "$SD_APP_STATE/logs" "$SD_APP_STATE/notes"
  STARTED_AT=$(now)
  prepare
  CURRENT_STAGE=""
  record ready "" "$(notes)"
}

notes() { find "$SD_APP_STATE/notes" -type f | sort | xargs -r cat | paste -sd ';' | sed 's/; */; /g'; }

# Whatever ends the script early is told, also what went wrong between two stages.
ended() {
  if [ "$1" != 0 ] && [ -n "${CURRENT_STAGE=start}" ]; then record failed "$CURRENT_STAGE" "exit status $1 of: $2"; fi
}

# stage NAME LIMIT_SECONDS [FINGERPRINT]: runs stage_NAME as a process of its own (so that errors end it, and a limit
# can), its output shown and kept. With a fingerprint it is skipped when it ended well with the same one before.
stage() {
  local name=$1 limit=$2 fingerprint=${3:-} log="$SD_APP_STATE/logs/$1" stamp="$SD_APP_STATE/stamps/$1" status=0
  CURRENT_STAGE=$name
  if [ -n "$fingerprint" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then
    echo "sd-app: $name: done before"
    return
  fi
  rm -f "$stamp" "$SD_APP_STATE/notes/$name"
  record running "$name"
  CURRENT_STAGE=$name timeout --kill-after=10 "$limit" "$0" "$name" 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
  if [ "$status" != 0 ]; then
    local why
    why=$(grep -v '^[[:space:]]*$' "$log" | tail -n 3 | paste -sd '|' | sed 's/|/ | /g' || true)
    case $status in 124 | 137) why="not done after $limit seconds; last: $why" ;; esac
    record failed "$name" "${why:-exit status $status}"
    # shellcheck disable=SC2034 # backend.sh reads it
    CURRENT_STAGE="" FAILED_STAGE=$name
    exit 1
  fi
  if [ -n "$fingerprint" ]; then write_file "$stamp" "$fingerprint"; fi
}

# Words that the readiness record carries when all is ready: what was left out, how fast it went.
note() {
  echo "sd-app: note: $*"
  echo "$*" >>"$SD_APP_STATE/notes/$CURRENT_STAGE"
}

die() {
  echo "$*" >&2
  exit 1
}

# record STATE STAGE [MESSAGE]: the readiness record, on this disk and in its SSM parameter. Failing to send it stops
# nothing: the machine goes on, and whoever waits sees it on the console.
record() {
  local json
  json=$(record_json "$@")
  write_file "$SD_APP_STATE/boot.json" "$json"
  echo "sd-app: $1${2:+ · $2}${3:+ · $3}"
  if [ -z "${SD_APP_BOOT_PARAMETER:-}" ]; then return; fi
  retry 3 python3 "$SD_APP_BIN/put_parameter.py" "$SD_APP_BOOT_PARAMETER" "$json" ||
    echo "sd-app: the readiness record could not be sent" >&2
}

# SSM refuses values with {{ }}, its own references.
record_json() {
  local boot_id=/proc/sys/kernel/random/boot_id
  python3 - "$1" "$2" "${3:-}" "$(instance_id)" "$(cat $boot_id)" "${STARTED_AT:-$(now)}" "$(now)" $MESSAGE_LIMIT <<'PY'
import json, sys
state, stage, message, instance, boot, started, updated, limit = sys.argv[1:]
message = message[: int(limit)].replace("{{", "{ {").replace("}}", "} }")
print(json.dumps({"state": state, "stage": stage, "message": message, "instanceId": instance, "bootId": boot,
                  "startedAt": started, "updatedAt": updated}))
PY
}

now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# cloud-init keeps the id of the instance that it runs on; SageMaker's machines have none that is ours to know.
instance_id() { cat /var/lib/cloud/data/instance-id 2>/dev/null || echo "${NOTEBOOK_NAME:-unknown}"; }

# write_file PATH TEXT: whole or not at all.
write_file() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$2" >"$1.new"
  mv -f "$1.new" "$1"
}

# retry ATTEMPTS COMMAND…: with 2, 4, 8 … 30 seconds between them.
retry() {
  local attempts=$1 wait=2 attempt
  shift
  for ((attempt = 1; ; attempt++)); do
    if "$@"; then return 0; fi
    if [ "$attempt" -ge "$attempts" ]; then return 1; fi
    echo "sd-app: attempt $attempt of $attempts failed: $1; again in ${RETRY_SECONDS:-$wait} s" >&2
    sleep "${RETRY_SECONDS:-$wait}"
    wait=$((wait * 2 > 30 ? 30 : wait * 2))
  done
}

# Any answer of AWS will do; the NAT instance may still be booting, and the clock be off: AWS refuses what was signed more
# than five minutes away from its own. The stage's limit ends it.
stage_network() {
  local endpoint=${AWS_ENDPOINT_URL:-https://ssm.$AWS_REGION.amazonaws.com} told off
  while true; do
    if ! told=$(curl --silent --output /dev/null --dump-header - --max-time 5 "$endpoint"); then
      echo "no answer from $endpoint: has the subnet a way out?"
    else
      off=$(clock_off <<<"$told")
      if [ "${off#-}" -lt 240 ]; then return; fi
      echo "this machine's clock is $off s off AWS's, which refuses it until chrony has set it"
    fi
    sleep 5
  done
}

# Seconds that this clock is ahead of the Date among an answer's headers.
clock_off() {
  local date
  date=$(sed -n 's/^date: *\([^\r]*\).*/\1/Ip')
  echo $(($(date +%s) - $(date +%s --date="${date:-now}")))
}

# install_tools PACKAGE…: Debian packages, and the aws CLI and boto3 in an environment of their own.
install_tools() {
  local apt=(apt-get --quiet --yes -o DPkg::Lock::Timeout=300) packages=("boto3==$BOTO3_VERSION")
  export DEBIAN_FRONTEND=noninteractive
  retry 6 install_packages ca-certificates curl git python3-venv "$@"
  python3 -m venv --clear "$SD_APP_TOOLS"
  # The Deep Learning AMI brings an aws command.
  command -v aws >/dev/null || packages+=("awscli==$AWSCLI_VERSION")
  retry 6 "$SD_APP_TOOLS/bin/pip" install --quiet "${packages[@]}"
  systemctl enable --now sd-app-logs.service sd-app-metrics.timer
}

# apt's update ends well without its lists when the mirror is away, so each attempt asks for them again. A power cut in the
# middle of dpkg leaves packages half installed, and apt refuses to go on before they are put right.
install_packages() {
  if "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; then return; fi
  dpkg --configure -a
  return 1
}

# fetch_commit URL REF FOLDER: just that tag, branch or commit, checked out. Nobody else works in that folder: a lock in
# it is what a power cut left.
fetch_commit() {
  mkdir -p "$3/.git"
  find "$3/.git" -name '*.lock' -delete
  git init --quiet "$3"
  GIT_TERMINAL_PROMPT=0 retry 6 git -C "$3" fetch --quiet --depth 1 "$1" "$2"
  git -C "$3" checkout --quiet --force --detach FETCH_HEAD
}

# run_as USER COMMAND…: with that user's home, in this environment.
run_as() { runuser -u "$1" -- env HOME="$(getent passwd "$1" | cut -d: -f6)" "${@:2}"; }

# wait_for URL SECONDS: until any answer comes.
wait_for() {
  local end=$((SECONDS + $2))
  until curl --silent --output /dev/null --max-time 5 "$1"; do
    if [ $SECONDS -ge $end ]; then die "no answer from $1 after $2 seconds"; fi
    sleep 1
  done
}
