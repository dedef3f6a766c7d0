"""The smoke test proves its password as the page does, and takes no for an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ops import smoke_user
from ops.errors import OpsError
from ops.smoke_srp import Proof, timestamp_of
from ops.stack import ROOT, Stack

POOL = "us-east-1_AbCdEf123"
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "app/frontend/test/srp-vectors.json").read_text())[
    "vectors"
]
"""The same numbers that the page's own proof is held against; made by Amazon's library."""


@pytest.mark.parametrize("known", VECTORS)
def test_the_proof_is_what_amazons_own_library_makes(known: dict[str, Any]) -> None:
    proof = Proof(int(known["a"], 16))
    assert f"{proof.sent:x}" == known["A"]
    made = proof.signature(POOL, known["password"], known["challenge"], known["timestamp"])
    assert made == known["signature"]
    assert proof.signature(POOL, known["password"] + "!", known["challenge"], known["timestamp"]) != made


def test_a_pool_that_would_learn_the_password_gets_no_proof() -> None:
    with pytest.raises(ValueError, match="give the password away"):
        Proof.begin().signature(POOL, "p", {**VECTORS[0]["challenge"], "SRP_B": "0"}, "now")


def test_each_sign_in_has_a_secret_of_its_own() -> None:
    assert Proof.begin().secret != Proof.begin().secret


def test_the_moment_is_in_english_without_a_zero_before_the_day() -> None:
    assert timestamp_of(datetime(2026, 9, 5, 1, 2, 3, tzinfo=UTC)) == "Sat Sep 5 01:02:03 UTC 2026"


class Pool:
    """Cognito as AWS has it; keeps what it is asked."""

    def __init__(self, last: dict[str, Any]) -> None:
        self.last, self.asked = last, list[tuple[str, dict[str, Any]]]()

    def __getattr__(self, name: str) -> Any:
        def answer(**arguments: Any) -> dict[str, Any]:
            self.asked.append((name, arguments))
            if name == "initiate_auth":
                return {"ChallengeParameters": VECTORS[0]["challenge"], "Session": "s"}
            return self.last if name == "respond_to_auth_challenge" else {}

        return answer


class Session:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def client(self, *_: Any, **__: Any) -> Pool:
        return self._pool


def on_aws(last: dict[str, Any]) -> tuple[Stack, Pool]:
    pool = Pool(last)
    return Stack(name="dev", region="us-east-1", endpoint=None, session=Session(pool)), pool


def test_on_aws_the_password_is_never_sent() -> None:
    stack, pool = on_aws({"AuthenticationResult": {"AccessToken": "token"}})
    with smoke_user.designer(stack, POOL, "client") as token:
        assert token == "token"
    names = [name for name, _ in pool.asked]
    assert names == [
        "admin_create_user",
        "admin_set_user_password",
        "initiate_auth",
        "respond_to_auth_challenge",
        "admin_delete_user",
    ]
    password = pool.asked[1][1]["Password"]
    assert password not in json.dumps(pool.asked[2:])
    assert pool.asked[2][1]["AuthFlow"] == "USER_SRP_AUTH"
    assert pool.asked[0][1]["MessageAction"] == "SUPPRESS", "nobody gets a mail"


def test_a_second_factor_that_the_pool_wants_is_told_and_the_user_still_goes() -> None:
    stack, pool = on_aws({"ChallengeName": "MFA_SETUP"})
    with pytest.raises(OpsError, match="asks for MFA_SETUP"), smoke_user.designer(stack, POOL, "client"):
        raise AssertionError("no token")
    assert pool.asked[-1][0] == "admin_delete_user"
