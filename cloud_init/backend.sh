#!/usr/bin/env bash
# Prepares the backend: Node.js, the app's code at its pinned ref, .env, PM2 with the server and the worker.
# sd-app-prepare.service runs it at every boot; stages that are done are skipped, so it goes on where it stopped.
# shellcheck source=cloud_init/machine.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/machine.sh"

APP_USER=sd-app
HOME_FOLDER=${SD_APP_HOME_FOLDER:-/srv/sd-app}
REPOSITORY=$HOME_FOLDER/repository
RELEASES=$HOME_FOLDER/releases     # a folder for each commit, with its packages and .env
NEXT=$HOME_FOLDER/next             # the release that the stages work on
CURRENT=$HOME_FOLDER/current       # the one that serves; PM2 knows no other path
PREVIOUS=$HOME_FOLDER/previous     # the one that served before
KEPT_RELEASES=4
TRY_SECONDS=60
STEADY_SECONDS=20

# What is named by nobody else is the setting's: REF is that of `release`.
REF=${REF:-$REPOSITORY_REF}

prepare() {
  local wanted="$REPOSITORY_URL $REPOSITORY_REF $NODE_VERSION"
  stage network 600
  stage tools 900 "$AWSCLI_VERSION $BOTO3_VERSION"
  stage node 600 "$NODE_VERSION $PM2_VERSION"
  if [ -e "$CURRENT" ] && [ "$(cat "$SD_APP_STATE/wanted" 2>/dev/null)" = "$wanted" ]; then
    # A machine that has served goes on with what served last; one made from its image with another setting does not.
    link "$NEXT" "$(readlink "$CURRENT")"
  else
    stage code 600 "$REPOSITORY_URL $REF"
    stage dependencies 900 "$NODE_VERSION $(readlink "$NEXT")"
  fi
  stage settings 120
  stage server 300
  write_file "$SD_APP_STATE/wanted" "$wanted"
}

# release REF, and rollback: what `ops deploy backend` asks for. The machine serves all the while, and what is refused
# changes nothing.
release() {
  export REF=$1
  change "$REF"
  stage code 600
  stage dependencies 900
  replace
}

rollback() {
  [ -d "$PREVIOUS" ] || die "there is no release before this one"
  change "the release before"
  link "$NEXT" "$(readlink "$PREVIOUS")"
  replace
}

change() {
  WANTED=$1 SERVED=$(readlink "$CURRENT") || die "nothing serves yet: the machine is still being prepared"
  if [ "$(systemctl is-active sd-app-prepare.service)" = activating ]; then
    die "the machine is being prepared: try again when it is ready (python -m ops status)"
  fi
  STARTED_AT=$(now)
  trap refused EXIT
}

replace() {
  stage settings 120
  stage try 120
  stage server 300
  trap - EXIT
  if [ "$(readlink "$CURRENT")" != "$SERVED" ]; then link "$PREVIOUS" "$SERVED"; fi
  prune
  record ready "" "$(notes)"
  echo "sd-app: $WANTED serves: $(named "$CURRENT"), $(named "$PREVIOUS") before it"
}

# The stage that failed has said why; who asks reads it in the command's output.
refused() {
  local why="it ended between two stages"
  if [ -n "${FAILED_STAGE:-}" ]; then why=$(tail -n 1 "$SD_APP_STATE/logs/$FAILED_STAGE"); fi
  why="$WANTED was refused: $why"
  trap - EXIT
  link "$NEXT" "$SERVED"
  if [ "$(readlink "$CURRENT")" != "$SERVED" ]; then
    link "$CURRENT" "$SERVED"
    if ! CURRENT_STAGE=server "$0" server; then
      why="$why; and $(named "$CURRENT"), which served before, does not come back"
      record failed server "$why"
      echo "$why" >&2
      exit 1
    fi
  fi
  why="$why; $(named "$CURRENT") goes on"
  record ready "" "$why"
  echo "$why" >&2
  exit 1
}

# link PATH TARGET: at once, there is no moment without it.
link() {
  [ -n "$2" ] || return 1
  ln -sfn "$2" "$1.new"
  mv -fT "$1.new" "$1"
}

named() { basename "$(readlink "$1" || echo none)" | cut -c 1-12; }

# Old ones go, but for the one that serves and the one before.
prune() {
  local old
  # shellcheck disable=SC2012 # names are commits
  ls -1dt "$RELEASES"/* | tail -n "+$((KEPT_RELEASES + 1))" | while read -r old; do
    case $old in "$(readlink "$CURRENT")" | "$(readlink "$PREVIOUS")") ;; *) rm -rf "$old" ;; esac
  done
}

stage_tools() { install_tools logrotate; }

stage_node() {
  local arch sum folder name
  case $(uname -m) in
    x86_64) arch=x64 sum=$NODE_SHA256_X64 ;;
    aarch64) arch=arm64 sum=$NODE_SHA256_ARM64 ;;
    *) die "versions.env pins no Node.js for $(uname -m)" ;;
  esac
  name=node-v$NODE_VERSION-linux-$arch
  folder=$(mktemp -d -p /opt)
  # shellcheck disable=SC2064 # the folder of now is meant
  trap "rm -rf '$folder'" EXIT
  retry 6 curl --fail --silent --show-error --location --max-time 300 --output "$folder/node.tar.gz" \
    "$NODE_DIST_URL/v$NODE_VERSION/$name.tar.gz"
  echo "$sum  $folder/node.tar.gz" | sha256sum --check --quiet ||
    die "$name.tar.gz has another checksum than versions.env names: not used"
  tar -xzf "$folder/node.tar.gz" -C "$folder"
  rm -rf "/opt/$name"
  mv "$folder/$name" "/opt/$name"
  ln -sfn "/opt/$name" /opt/node
  ln -sf /opt/node/bin/{node,npm,npx,pm2} /usr/local/bin/
  retry 6 npm install --global --no-audit --no-fund --loglevel=error "pm2@$PM2_VERSION"
}

stage_code() {
  local release draft
  id "$APP_USER" >/dev/null 2>&1 || useradd --system --create-home --home-dir "/home/$APP_USER" --shell /bin/bash "$APP_USER"
  use_github_token
  fetch_commit "$REPOSITORY_URL" "$REF" "$REPOSITORY"
  [ -f "$REPOSITORY/app/backend/index.js" ] || die "$REPOSITORY_URL at $REF has no app/backend/index.js: nothing to run"
  [ -f "$REPOSITORY/app/backend/package-lock.json" ] || die "app/backend has no package-lock.json: npm ci needs it"
  mkdir -p "$RELEASES"
  release=$RELEASES/$(git -C "$REPOSITORY" rev-parse HEAD)
  if [ ! -d "$release" ]; then
    draft=$(mktemp -d -p "$HOME_FOLDER")
    chmod 755 "$draft"
    git -C "$REPOSITORY" archive HEAD | tar -x -C "$draft"
    # The code stays root's: only the app's own folder is written to, by npm and for .env.
    chown -R "$APP_USER:" "$draft/app/backend"
    mv -T "$draft" "$release"
  fi
  link "$NEXT" "$release"
}

# The token goes to git in the environment of this process alone: never in argv, URL, log or file.
use_github_token() {
  [ -n "$GITHUB_TOKEN_PARAMETER" ] || return 0
  local token host
  token=$(secret "$GITHUB_TOKEN_PARAMETER")
  host=${REPOSITORY_URL#*//}
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.${REPOSITORY_URL%%//*}//${host%%/*}/.extraHeader" GIT_CONFIG_VALUE_0
  GIT_CONFIG_VALUE_0="Authorization: Basic $(printf 'x-access-token:%s' "$token" | base64 --wrap=0)"
}

secret() {
  retry 4 aws ssm get-parameter --name "$1" --with-decryption --query Parameter.Value --output text
}

stage_dependencies() {
  local served=$CURRENT/app/backend
  # The release that serves is whole, and its packages are in use.
  if [ -e "$CURRENT" ] && [ "$(readlink "$NEXT")" = "$(readlink "$CURRENT")" ]; then return; fi
  cd -P "$NEXT/app/backend"
  if [ -d "$served/node_modules" ] && cmp --quiet "$served/package-lock.json" package-lock.json; then
    rm -rf node_modules
    cp -a "$served/node_modules" .
    return
  fi
  retry 4 run_as "$APP_USER" npm ci --omit=dev --no-audit --no-fund --loglevel=error
}

# machine.env and the secret, in a file of the app's user alone; made anew at each boot, so a changed secret arrives.
stage_settings() {
  local origin_secret app=$NEXT/app/backend
  origin_secret=$(secret "$ORIGIN_SECRET_PARAMETER")
  install --owner="$APP_USER" --group="$APP_USER" --mode=0600 /dev/null "$app/.env.new"
  {
    cat "$SD_APP_ETC/machine.env"
    printf 'ORIGIN_SECRET="%s"\nNODE_ENV="production"\n' "$origin_secret"
  } >"$app/.env.new"
  mv -f "$app/.env.new" "$app/.env"
}

# The new release answers on another port before the old one goes: what doesn't start is found here.
stage_try() {
  local spare log=$SD_APP_STATE/logs/try.app server
  spare=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cd -P "$NEXT/app/backend"
  runuser -u "$APP_USER" -- env -i HOME="/home/$APP_USER" HOST=127.0.0.1 PORT="$spare" /opt/node/bin/node index.js >"$log" 2>&1 &
  server=$!
  # shellcheck disable=SC2064 # the process of now is meant
  trap "kill $server 2>/dev/null || true" EXIT
  until curl --silent --output /dev/null --max-time 5 "http://127.0.0.1:$spare/"; do
    if ! kill -0 $server 2>/dev/null || [ $SECONDS -ge $TRY_SECONDS ]; then
      die "$(named "$NEXT") does not start: $( (grep -m 3 Error "$log" || tail -n 5 "$log") | paste -sd '|')"
    fi
    sleep 0.5
  done
}

# PM2's unit first, so that its daemon lives there and not in the unit of this script. In its cluster mode a reload
# starts the new process before it ends the old one.
stage_server() {
  local end
  link "$CURRENT" "$(readlink "$NEXT")"
  cd "$CURRENT/app/backend"
  if ! systemctl is-enabled --quiet "pm2-$APP_USER.service" 2>/dev/null; then
    pm2 startup systemd -u "$APP_USER" --hp "/home/$APP_USER"
  fi
  systemctl start "pm2-$APP_USER.service"
  app_pm2 startOrReload ecosystem.config.cjs --update-env
  app_pm2 save --force
  systemctl enable --now sd-app-pm2-log.service
  wait_for "http://127.0.0.1:$PORT/" 120
  end=$((SECONDS + STEADY_SECONDS))
  until [ -z "$(unsteady)" ]; do
    if [ $SECONDS -ge $end ]; then
      app_pm2 logs "$(unsteady)" --lines 20 --nostream || true
      die "PM2 does not keep $(unsteady) online"
    fi
    sleep 1
  done
  note "release $(named "$CURRENT")"
}

# A program that has not been up for three seconds on end.
unsteady() {
  app_pm2 jlist | python3 -c 'import json, sys, time
print(next((app["name"] for app in json.load(sys.stdin) if app["pm2_env"]["status"] != "online"
            or time.time() * 1000 - app["pm2_env"]["pm_uptime"] < 3000), ""))'
}

# With nothing of this environment: PM2 writes what it is started with into its dump.
app_pm2() {
  runuser -u "$APP_USER" -- env -i HOME="/home/$APP_USER" PM2_HOME="/home/$APP_USER/.pm2" PATH=/usr/local/bin:/usr/bin:/bin \
    SD_APP_HOME="$CURRENT/app/backend" pm2 "$@"
}

case ${1:-} in
  release | rollback)
    # One at a time; the lock is not handed on to what the stages start.
    [ -n "${LOCKED:-}" ] || LOCKED=1 exec flock --close --nonblock --conflict-exit-code 75 /run/sd-app-release "$0" "$@"
    "$@"
    ;;
  *) main "$@" ;;
esac
