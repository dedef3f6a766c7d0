#!/usr/bin/env bash
# Commits locks/STACK.json and pushes it to main. A lock that was promoted also moves the branch of the stack's name to its
# commit, which the backend and Amplify read. TOKEN: GitHub's own, of a job that may write contents.
set -euo pipefail
cd "$(dirname "$0")/.."

stack=$1
remote=${REMOTE:-"https://x-access-token:$TOKEN@github.com/$GITHUB_REPOSITORY"}

field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get(sys.argv[2]) or "")' "locks/$stack.json" "$1"; }
commit=$(field commit)
[[ $commit =~ ^[0-9a-f]{40}$ ]] || { echo "locks/$stack.json names no commit" >&2; exit 1; }

git add "locks/$stack.json"
if git diff --cached --quiet; then
  echo "locks/$stack.json is as it was"
else
  git -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
    commit --quiet --message "chore($stack): lock ${commit:0:12}"
  # Others may have pushed meanwhile; a lock is a file of its own, so nothing is merged.
  for attempt in 1 2 3 4 5; do
    if git push --quiet "$remote" HEAD:main; then break; fi
    [ "$attempt" != 5 ] || exit 1
    git -c user.name=github-actions -c user.email=github-actions@users.noreply.github.com pull --quiet --rebase "$remote" main
  done
fi
if [ -n "$(field promotedFrom)" ]; then
  git push --quiet --force "$remote" "$commit:refs/heads/$stack"
  echo "the branch $stack is at ${commit:0:12}"
fi
