"""Styles come and go in the bucket while the ML server runs: its two ComfyUI follow, and what is broken is left out by name."""

from __future__ import annotations

import os

import pytest
from ml_server_machine import SYNC_S, MlServerMachine, make_ready

from tests.boot.container import until

OURS = ["Indochine.safetensors", "Minimalist.safetensors"]
WRONG = "0" * 64


@pytest.fixture
def machine(ml_server_machine: MlServerMachine) -> MlServerMachine:
    """An ML server that is ready."""
    make_ready(ml_server_machine)
    until("it has our styles", lambda: ml_server_machine.offered("loras") == [OURS, OURS], SYNC_S + 15)
    return ml_server_machine


def test_a_new_style_is_offered_by_both_servers_within_the_interval_and_goes_when_deleted(
    machine: MlServerMachine,
) -> None:
    machine.put_lora("New.safetensors", b"new")
    took = machine.offers("New.safetensors")
    print(f"a new style is offered after {took:.1f} s; looked for each {SYNC_S} s")
    assert took < SYNC_S + 5
    machine.sync_said("5 models and styles here; 1 new")
    machine.delete_lora("New.safetensors")
    until("it is gone", lambda: machine.offered("loras") == [OURS, OURS], SYNC_S + 10)
    machine.sync_said("4 models and styles here; 1 removed")
    assert machine.models_here() == machine.models_pushed()


def test_a_corrupt_style_is_left_out_by_name_and_the_rest_is_offered(machine: MlServerMachine) -> None:
    machine.put_lora("Corrupt.safetensors", b"damaged on its way", WRONG)
    machine.sync_said("loras/Corrupt.safetensors left out: its bytes do not have the checksum recorded in S3")
    assert machine.offered("loras") == [OURS, OURS]
    assert machine.models_here() == machine.models_pushed(), "some of it is there"
    machine.put_lora("Corrupt.safetensors", b"pushed again")
    machine.offers("Corrupt.safetensors")


def test_a_throttling_s3_delays_a_style_and_breaks_nothing(machine: MlServerMachine) -> None:
    with machine.aws_fault(service="s3", kind="throttle", share=0.6, action="GetObject") as happened:
        sha256 = machine.put_lora("Big.safetensors", os.urandom(80_000_000))
        machine.offers("Big.safetensors", 60)
        assert happened()["s3 throttle"] >= 1
    assert machine.models_here()["loras/Big.safetensors"] == sha256
