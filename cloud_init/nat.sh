#!/usr/bin/env bash
# Makes this machine (Amazon Linux 2023) the private subnets' way out. sd-app-prepare.service runs it at every boot,
# which is what makes it lasting. It stands alone, without machine.sh and versions.env: a change of those must not
# replace this machine and cut the network off meanwhile.
set -euo pipefail

sysctl --quiet --write net.ipv4.ip_forward=1
for attempt in 1 2 3 4 5 6; do
  if command -v nft >/dev/null || dnf install --quiet --assumeyes nftables; then break; fi
  [ "$attempt" -lt 6 ] || exit 1
  sleep 10
done

# One transaction: declared first, so that there is something to delete.
nft --file - <<'RULES'
table ip sd_app
delete table ip sd_app
table ip sd_app {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    fib saddr type != local masquerade
  }
}
RULES
echo "sd-app: NAT is on"
