"""Subnets lie inside the VPC, apart from each other, and never move when a zone joins."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import addresses

LETTERS = "abcdef"
zones = st.lists(st.sampled_from([f"us-east-1{letter}" for letter in LETTERS]), min_size=1, unique=True)


@given(chosen=zones, public=st.integers(20, 28), private=st.integers(19, 28), vpc=st.integers(0, 255))
def test_subnets_are_inside_the_vpc_and_apart(chosen: list[str], public: int, private: int, vpc: int) -> None:
    cidr = f"10.{vpc}.0.0/16"
    if addresses.fits(cidr, public, private):
        return
    plan = addresses.plan_subnets(cidr, chosen, public, private)
    subnets = [subnet for pair in plan.values() for subnet in (pair.public, pair.private)]
    assert all(subnet.subnet_of(IPv4Network(cidr)) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


@given(chosen=zones)
def test_another_zone_moves_no_subnet(chosen: list[str]) -> None:
    before = addresses.plan_subnets("172.16.0.0/16", chosen[:-1], 24, 20)
    after = addresses.plan_subnets("172.16.0.0/16", chosen, 24, 20)
    assert {zone: after[zone] for zone in before} == before


def test_a_zone_beyond_the_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="us-east-1g has no slot"):
        addresses.plan_subnets("172.16.0.0/16", ["us-east-1g"], 24, 20)


def test_a_vpc_that_is_too_small_says_what_would_do() -> None:
    assert "allowed: a range of /17 or larger" in (addresses.fits("172.16.0.0/24", 24, 20) or "")


def test_a_host_is_counted_from_the_range_s_beginning() -> None:
    assert addresses.host_address("172.16.0.0/20", 10) == "172.16.0.10"
