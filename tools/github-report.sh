#!/usr/bin/env bash
# Puts reports where people read them, each in the one place that it has had before (it is known by its first line):
#   github-report.sh comment NUMBER DIR   all of DIR/*.md as one comment on a pull request
#   github-report.sh issues DIR           an issue for each stack that drifted (DIR/STACK.md, DIR/STACK.status); closed when it is well
# Needs gh with GH_TOKEN, and GITHUB_REPOSITORY.
set -euo pipefail

MARK='<!-- sd-app report -->'
BOT='github-actions[bot]'

# The first of a list of comments or issues that the bot wrote and that begins with a line; empty when there is none.
known() { # ADDRESS LINE FIELD
  local query='.[] | select(.user.login == env.BOT and (.pull_request | not)) | select((.body // "") | startswith(env.LINE)) | .'
  BOT=$BOT LINE=$2 gh api --paginate "$1" --jq "$query$3" | head -n 1
}

comment() { # NUMBER DIR
  local body id
  body=$(mktemp)
  { echo "$MARK"; cat "$2"/*.md; } > "$body"
  id=$(known "repos/$GITHUB_REPOSITORY/issues/$1/comments?per_page=100" "$MARK" id)
  if [ -n "$id" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$body"
  else
    gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$1/comments" --field "body=@$body"
  fi
}

issue() { # DIR STACK
  local number address
  address=repos/$GITHUB_REPOSITORY/issues
  number=$(known "$address?state=open&per_page=100" "<!-- sd-app report: $2 -->" number)
  if [ "$(cat "$1/$2.status")" = 0 ]; then
    if [ -n "$number" ]; then gh api --silent --method PATCH "$address/$number" --raw-field state=closed; fi
    return
  fi
  if [ -n "$number" ]; then
    gh api --silent --method PATCH "$address/$number" --field "body=@$1/$2.md"
  else
    gh api --silent --method POST "$address" --raw-field "title=$2 is not what main says" --field "body=@$1/$2.md"
  fi
}

case "${1:-}" in
  comment) comment "$2" "$3" ;;
  issues)
    for status in "$2"/*.status; do
      stack=$(basename "$status" .status)
      issue "$2" "$stack"
    done
    ;;
  *)
    echo "usage: github-report.sh comment NUMBER DIR | issues DIR" >&2
    exit 2
    ;;
esac
