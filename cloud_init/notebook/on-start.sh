#!/usr/bin/env bash
# What SageMaker waits for at each start of the notebook, five minutes at most: sets the long work going and ends.
# Everything but /home/ec2-user/SageMaker is new at each start.
set -euo pipefail
work=/home/ec2-user/SageMaker/.sd-app
mkdir -p "$work"
rm -f "$work/ready"

# The hook's own process group ends with the hook.
background() {
  local log=$1
  shift
  setsid nohup "$@" >>"$log" 2>&1 </dev/null &
}
background "$work/prepare.log" /opt/sd-app/bin/jupyter-lab-kohya.sh
background "$work/idle.log" bash -c 'set -a; . /etc/sd-app/machine.env; exec python3 -u /opt/sd-app/bin/notebook_idle_stop.py'
echo "sd-app: preparing in the background; see $work/prepare.log, done when $work/ready is there"
