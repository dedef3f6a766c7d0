"""The smoke test's own designer: made for one run, signed in as the page signs in, and gone at the end."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config

from ops.errors import BAD, OpsError
from ops.smoke_srp import Proof, timestamp_of
from ops.stack import Stack

PASSWORD_END = "-aA7"
"""So that a random password has all sorts of characters."""


@contextmanager
def designer(stack: Stack, pool: str, client_id: str) -> Generator[str]:
    """An access token of a designer who is there as long as the block lasts. OpsError when the pool gives none."""
    admin = stack.client("cognito-idp")
    email, password = f"smoke-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(24) + PASSWORD_END
    admin.admin_create_user(
        UserPoolId=pool,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[
            {"Name": "email", "Value": email},
            {"Name": "email_verified", "Value": "true"},
            {"Name": "name", "Value": "Smoke test"},
        ],
    )
    try:
        admin.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
        yield _token(stack, pool, client_id, email, password)
    finally:
        admin.admin_delete_user(UserPoolId=pool, Username=email)


def _token(stack: Stack, pool: str, client_id: str, email: str, password: str) -> str:
    """Sign in. An emulator checks no proof: it is sent the password."""
    # These calls are made by who is not signed in yet: they carry no signature.
    public: Any = stack.session.client(
        "cognito-idp",
        region_name=stack.region,
        endpoint_url=stack.endpoint,
        config=Config(signature_version=UNSIGNED, connect_timeout=5),
    )
    if stack.endpoint:
        answer = public.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=client_id,
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
    else:
        answer = _prove(public, pool, client_id, email, password)
    if "AuthenticationResult" not in answer:
        raise OpsError(
            f"the user pool asks for {answer.get('ChallengeName', 'more')} after the password: the smoke test can't "
            "give that; with sd-app:identity.mfa optional it can sign in",
            BAD,
        )
    return str(answer["AuthenticationResult"]["AccessToken"])


def _prove(public: Any, pool: str, client_id: str, email: str, password: str) -> dict[str, Any]:
    proof, timestamp = Proof.begin(), timestamp_of(datetime.now(UTC))
    begun = public.initiate_auth(
        AuthFlow="USER_SRP_AUTH",
        ClientId=client_id,
        AuthParameters={"USERNAME": email, "SRP_A": f"{proof.sent:x}"},
    )
    challenge = begun["ChallengeParameters"]
    return public.respond_to_auth_challenge(
        ChallengeName="PASSWORD_VERIFIER",
        ClientId=client_id,
        **({"Session": begun["Session"]} if begun.get("Session") else {}),
        ChallengeResponses={
            "USERNAME": challenge["USER_ID_FOR_SRP"],
            "PASSWORD_CLAIM_SECRET_BLOCK": challenge["SECRET_BLOCK"],
            "PASSWORD_CLAIM_SIGNATURE": proof.signature(pool, password, challenge, timestamp),
            "TIMESTAMP": timestamp,
        },
    )
