#!/usr/bin/env bash
# In a job of GitHub Actions: the report of $STACK into reports/ (Markdown, HTML, exit status) and the job's summary.
# With ROLE, BACKEND and a right to an identity token it asks AWS, by a role that can only read and a token that lasts minutes;
# from a fork, or without an account, the sandbox and no credentials at all. Arguments go to tools/report.py.
set -euo pipefail
cd "$(dirname "$0")/.."

reports=${REPORTS:-reports}
mkdir -p "$reports"
where=(--sandbox)
if [ -n "${ROLE:-}" ] && [ -n "${BACKEND:-}" ] && [ -n "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ]; then
  where=(--account)
  export AWS_ROLE_ARN=$ROLE AWS_ROLE_SESSION_NAME=report-$STACK PULUMI_BACKEND_URL=$BACKEND
  export AWS_WEB_IDENTITY_TOKEN_FILE=$RUNNER_TEMP/identity-token
  trap 'rm -f "$AWS_WEB_IDENTITY_TOKEN_FILE"' EXIT
  # SDKs of AWS take the role by themselves: no key is written down anywhere. The header comes from a file, not by argv.
  (umask 077 && curl --silent --show-error --fail --retry 3 \
    --header @<(echo "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN") \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["value"], end="")' > "$AWS_WEB_IDENTITY_TOKEN_FILE")
fi
# What runs next is the pull request's own code; it needs no more tokens.
unset ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL

status=0
"${PYTHON:-.venv/bin/python}" -m tools.report --stack "$STACK" "${where[@]}" "$@" \
  --html "$reports/$STACK.html" --markdown "$reports/$STACK.md" || status=$?
echo "$status" > "$reports/$STACK.status"
if [ ! -f "$reports/$STACK.md" ]; then
  printf '<!-- sd-app report: %s -->\n## Preview of %s\n\nThere is no report: the log of the job tells why.\n' \
    "$STACK" "$STACK" > "$reports/$STACK.md"
fi
cat "$reports/$STACK.md" >> "$GITHUB_STEP_SUMMARY"
exit "$status"
