"""Address arithmetic of the VPC: pure functions, no AWS, no pulumi."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

MAX_ZONES = 6
"""us-east-1 has the most zones of all Regions, a to f: one slot each, so that no zone moves when another joins."""


@dataclass(frozen=True)
class ZoneSubnets:
    """The two subnets of a zone."""

    public: ipaddress.IPv4Network
    private: ipaddress.IPv4Network


def plan_subnets(
    vpc_cidr: str, zones: Sequence[str], public_prefix: int, private_prefix: int
) -> dict[str, ZoneSubnets]:
    """Subnets of each zone, by the zone's letter alone: adding or removing a zone changes no other.

    Private subnets are cut from the VPC's beginning, public ones from its last slots.
    Raises ValueError when they do not fit, or for a zone beyond `f`.
    """
    misfit = fits(vpc_cidr, public_prefix, private_prefix)
    if misfit:
        raise ValueError(misfit)
    vpc = ipaddress.IPv4Network(vpc_cidr)
    plan: dict[str, ZoneSubnets] = {}
    for zone in zones:
        slot = ord(zone[-1]) - ord("a")
        if not 0 <= slot < MAX_ZONES:
            raise ValueError(f"zone {zone} has no slot; known: letters a to {chr(ord('a') + MAX_ZONES - 1)}")
        plan[zone] = ZoneSubnets(
            public=_cut(vpc.broadcast_address, public_prefix, -1 - slot),
            private=_cut(vpc.network_address, private_prefix, slot),
        )
    return plan


def fits(vpc_cidr: str, public_prefix: int, private_prefix: int, slots: int = MAX_ZONES) -> str | None:
    """None when the VPC holds a public and a private subnet for every slot; else what is wrong, in words."""
    vpc = ipaddress.IPv4Network(vpc_cidr)
    needed = slots * (2 ** (32 - public_prefix) + 2 ** (32 - private_prefix))
    aligned = vpc.prefixlen <= min(public_prefix, private_prefix)
    if aligned and needed <= vpc.num_addresses:
        return None
    largest = 32 - (needed - 1).bit_length()
    return (
        f'"{vpc_cidr}" cannot hold {slots} zones of a /{public_prefix} public and a /{private_prefix} private subnet; '
        f"allowed: a range of /{largest} or larger, or smaller subnets"
    )


def host_address(cidr: str, host_number: int) -> str:
    """The address of a host in a range: 10 in 172.16.0.0/20 is 172.16.0.10."""
    return str(ipaddress.IPv4Network(cidr)[host_number])


def _cut(edge: ipaddress.IPv4Address, prefix: int, index: int) -> ipaddress.IPv4Network:
    """The index-th range of a size, counted from the one that holds `edge`; -1 is that one, when counting down."""
    own = ipaddress.IPv4Network((int(edge), prefix), strict=False)
    steps = index if index >= 0 else index + 1
    return ipaddress.IPv4Network((int(own.network_address) + steps * own.num_addresses, prefix))
