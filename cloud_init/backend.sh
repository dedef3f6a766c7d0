#!/usr/bin/env bash
# Prepares the backend: Node.js, the app's code at its pinned ref, .env, PM2 with the server and the worker.
# sd-app-prepare.service runs it at every boot; stages that are done are skipped, so it goes on where it stopped.
# shellcheck source=cloud_init/machine.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/machine.sh"

APP_USER=sd-app
CODE=/srv/sd-app
APP=$CODE/app/backend

prepare() {
  stage network 600
  stage tools 900 "$AWSCLI_VERSION $BOTO3_VERSION"
  stage node 600 "$NODE_VERSION $PM2_VERSION"
  stage code 600 "$REPOSITORY_URL $REPOSITORY_REF"
  stage dependencies 900 "$NODE_VERSION $(sha256sum "$APP/package-lock.json")"
  stage settings 120
  stage server 300
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
  id "$APP_USER" >/dev/null 2>&1 || useradd --system --create-home --home-dir "/home/$APP_USER" --shell /bin/bash "$APP_USER"
  use_github_token
  fetch_commit "$REPOSITORY_URL" "$REPOSITORY_REF" "$CODE"
  [ -f "$APP/index.js" ] || die "$REPOSITORY_URL at $REPOSITORY_REF has no app/backend/index.js: nothing to run"
  [ -f "$APP/package-lock.json" ] || die "app/backend has no package-lock.json: npm ci needs it"
  # The code stays root's: only the app's own folder is written to, by npm and for .env.
  chown -R "$APP_USER:" "$APP"
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
  cd "$APP"
  retry 4 run_as "$APP_USER" npm ci --omit=dev --no-audit --no-fund --loglevel=error
}

# machine.env and the secret, in a file of the app's user alone; made anew at each boot, so a changed secret arrives.
stage_settings() {
  local origin_secret
  origin_secret=$(secret "$ORIGIN_SECRET_PARAMETER")
  install --owner="$APP_USER" --group="$APP_USER" --mode=0600 /dev/null "$APP/.env.new"
  {
    cat "$SD_APP_ETC/machine.env"
    printf 'ORIGIN_SECRET="%s"\nNODE_ENV="production"\n' "$origin_secret"
  } >"$APP/.env.new"
  mv -f "$APP/.env.new" "$APP/.env"
}

# PM2's unit first, so that its daemon lives there and not in the unit of this script.
stage_server() {
  cd "$APP"
  if ! systemctl is-enabled --quiet "pm2-$APP_USER.service" 2>/dev/null; then
    pm2 startup systemd -u "$APP_USER" --hp "/home/$APP_USER"
  fi
  systemctl start "pm2-$APP_USER.service"
  app_pm2 startOrReload ecosystem.config.cjs --update-env
  app_pm2 save --force
  systemctl enable --now sd-app-pm2-log.service
  wait_for "http://127.0.0.1:$PORT/" 120
  for name in $(app_pm2 jlist | python3 -c 'import json, sys
print(*(app["name"] for app in json.load(sys.stdin) if app["pm2_env"]["status"] != "online"))'); do
    app_pm2 logs "$name" --lines 20 --nostream || true
    die "PM2 does not keep $name online"
  done
}

# With nothing of this environment: PM2 writes what it is started with into its dump.
app_pm2() {
  runuser -u "$APP_USER" -- env -i HOME="/home/$APP_USER" PM2_HOME="/home/$APP_USER/.pm2" PATH=/usr/local/bin:/usr/bin:/bin \
    pm2 "$@"
}

main "$@"
