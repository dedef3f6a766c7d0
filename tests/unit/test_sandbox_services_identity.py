"""The sandbox's user pools and clients, each lived through on a real moto server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import leftovers
from sandbox.aws import cognito
from sandbox.aws.table import Aws, Props
from tests.unit.sandbox_ground import output_names
from tests.unit.sandbox_life import NEW_TAGS, TAGS, Life, live, moto_server, types_of

TYPES = types_of(cognito)
POOL, CLIENT = TYPES["UserPool"], TYPES["UserPoolClient"]
EMAIL, PASSWORD = "ann@example.com", "A-long-password-1"
SIGN_IN: Props = {"name": "sign-in", "usernameAttributes": ["email"], "autoVerifiedAttributes": ["email"]}
TOTP = {"mfaConfiguration": "OPTIONAL", "softwareTokenMfaConfiguration": {"enabled": True}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        yield cloud


@pytest.fixture
def pool(aws: Aws) -> Iterator[str]:
    id = POOL.create(aws, SIGN_IN)
    yield id
    aws.client("cognito-idp").delete_user_pool(UserPoolId=id)


def length(characters: int) -> Props:
    return {
        "minimumLength": characters,
        "requireLowercase": True,
        "requireUppercase": True,
        "requireNumbers": True,
        "requireSymbols": True,
        "temporaryPasswordValidityDays": 7,
    }


POOLS = (
    Life(
        name="all",
        inputs={
            "name": "sd-app-identity",
            "usernameAttributes": ["email"],
            "usernameConfiguration": {"caseSensitive": False},
            "autoVerifiedAttributes": ["email"],
            "adminCreateUserConfig": {
                "allowAdminCreateUserOnly": True,
                "inviteMessageTemplate": {
                    "emailMessage": "{username} {####}",
                    "emailSubject": "Welcome",
                    "smsMessage": "{username} {####}",
                },
            },
            "accountRecoverySetting": {"recoveryMechanisms": [{"name": "verified_email", "priority": 1}]},
            "userAttributeUpdateSettings": {"attributesRequireVerificationBeforeUpdates": ["email"]},
            "passwordPolicy": length(12),
            "deletionProtection": "ACTIVE",
            **TOTP,
            **TAGS,
        },
        changes={
            "passwordPolicy": length(14),
            "mfaConfiguration": "ON",
            "deletionProtection": "INACTIVE",
            "accountRecoverySetting": {"recoveryMechanisms": [{"name": "admin_only", "priority": 1}]},
            **NEW_TAGS,
        },
        tamper=lambda aws, id: aws.client("cognito-idp").set_user_pool_mfa_config(
            UserPoolId=id, MfaConfiguration="OFF"
        ),
        seen="mfaConfiguration",
    ),
    Life(name="least", inputs={"name": "least"}, outputs={"mfaConfiguration": "OFF", "tagsAll": {}}),
)


@pytest.mark.parametrize("life", POOLS, ids=lambda life: life.name)
def test_a_pool_is_what_was_declared_from_creation_to_deletion(aws: Aws, life: Life) -> None:
    live(aws, POOL, life)


def client_of(pool: str, **more: Any) -> Props:
    return {
        "name": "page",
        "userPoolId": pool,
        "generateSecret": False,
        "explicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
        "accessTokenValidity": 60,
        "idTokenValidity": 60,
        "refreshTokenValidity": 30,
        "tokenValidityUnits": {"accessToken": "minutes", "idToken": "minutes", "refreshToken": "days"},
        "preventUserExistenceErrors": "ENABLED",
        "enableTokenRevocation": True,
        "readAttributes": ["email", "name"],
        "writeAttributes": ["name"],
        **more,
    }


def test_a_client_is_what_was_declared_from_creation_to_deletion(aws: Aws, pool: str) -> None:
    def tamper(aws: Aws, id: str) -> None:
        aws.client("cognito-idp").update_user_pool_client(
            UserPoolId=pool, ClientId=id, ExplicitAuthFlows=["ALLOW_CUSTOM_AUTH"]
        )

    changes: Props = {"accessTokenValidity": 15, "refreshTokenValidity": 7, "writeAttributes": ["email"]}
    life = Life(name="all", inputs=client_of(pool), changes=changes, tamper=tamper, seen="explicitAuthFlows")
    live(aws, CLIENT, life)


def test_a_client_goes_with_its_pool(aws: Aws) -> None:
    pool = POOL.create(aws, SIGN_IN)
    declared = client_of(pool)
    id = CLIENT.create(aws, declared)
    POOL.delete(aws, pool, SIGN_IN)
    assert CLIENT.read(aws, id, declared) is None
    CLIENT.delete(aws, id, declared)


@pytest.mark.parametrize("kind", [POOL, CLIENT], ids=["pool", "client"])
def test_all_that_is_shown_has_a_name_of_the_sdk(aws: Aws, pool: str, kind: Any) -> None:
    declared = SIGN_IN if kind is POOL else client_of(pool)
    id = pool if kind is POOL else CLIENT.create(aws, declared)
    assert set(kind.read(aws, id, declared)) <= output_names(kind.token)


def sign_in(aws: Aws, client: str) -> Props:
    return aws.client("cognito-idp").initiate_auth(
        ClientId=client,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": EMAIL, "PASSWORD": PASSWORD},
    )


def test_users_still_sign_in_by_address_after_their_pool_was_changed(aws: Aws, pool: str) -> None:
    """moto forgets at every update that the address is the name."""
    id = CLIENT.create(aws, client_of(pool))
    cognito_idp = aws.client("cognito-idp")
    cognito_idp.admin_create_user(UserPoolId=pool, Username=EMAIL)
    cognito_idp.admin_set_user_password(UserPoolId=pool, Username=EMAIL, Password=PASSWORD, Permanent=True)
    assert "AuthenticationResult" in sign_in(aws, id)
    before = POOL.read(aws, pool, SIGN_IN)
    assert before
    POOL.update(aws, pool, before, before | {"passwordPolicy": length(13)})  # pyright: ignore[reportOptionalCall]  # a pool can be changed
    assert "AuthenticationResult" in sign_in(aws, id)


def test_a_protected_pool_refuses_deletion(aws: Aws) -> None:
    declared = SIGN_IN | {"deletionProtection": "ACTIVE"}
    id = POOL.create(aws, declared)
    with pytest.raises(ValueError, match="deletion protection"):
        POOL.delete(aws, id, declared)
    found = POOL.read(aws, id, declared)
    assert found
    POOL.update(aws, id, found, found | {"deletionProtection": "INACTIVE"})  # pyright: ignore[reportOptionalCall]  # a pool can be changed
    POOL.delete(aws, id, declared)
    assert POOL.read(aws, id, declared) is None


def test_a_pool_that_stays_is_found_among_what_is_left(aws: Aws, pool: str) -> None:
    assert f"cognito-idp user_pools in us-east-1: {pool}" in leftovers.left(aws.store)


@pytest.mark.parametrize("unknown", ["lambdaConfig", "smsConfiguration", "userPoolAddOns"])
def test_what_the_sandbox_would_not_act_on_is_refused_by_name(aws: Aws, unknown: str) -> None:
    with pytest.raises(ValueError, match=unknown):
        POOL.create(aws, SIGN_IN | {unknown: {}})
