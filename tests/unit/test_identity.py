"""Who may sign in: nobody by himself, with a strong password, and nobody learns who has an account."""

from typing import Any

import pytest

from components.identity import Identity, IdentityArgs
from setting_models import IdentitySettings
from tests.unit.engine import Recording, deploy

POOL = "aws:cognito/userPool:UserPool"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"


def identity(protect: bool = False, **settings: Any) -> Recording[Identity]:
    args = IdentityArgs(settings=IdentitySettings(**settings), protect_data=protect)
    return deploy(lambda: Identity("id", args))


def pool(**settings: Any) -> dict[str, Any]:
    return identity(**settings).only(POOL).inputs


def client(**settings: Any) -> dict[str, Any]:
    return identity(**settings).only(CLIENT).inputs


def test_nobody_signs_up_by_himself() -> None:
    assert pool()["adminCreateUserConfig"]["allowAdminCreateUserOnly"] is True


def test_the_invitation_tells_name_and_password() -> None:
    template = pool()["adminCreateUserConfig"]["inviteMessageTemplate"]
    assert "{username}" in template["emailMessage"] and "{####}" in template["emailMessage"], (
        "Cognito refuses a text without both marks"
    )
    assert 6 <= len(template["emailMessage"]) <= 20_000 and 1 <= len(template["emailSubject"]) <= 140


def test_users_sign_in_with_their_confirmed_address_however_it_is_written() -> None:
    made = pool()
    assert made["usernameAttributes"] == made["autoVerifiedAttributes"] == ["email"]
    assert made["usernameConfiguration"] == {"caseSensitive": False}, (
        "Ann@x.com would be another than ann@x.com"
    )
    assert made["userAttributeUpdateSettings"] == {"attributesRequireVerificationBeforeUpdates": ["email"]}


def test_passwords_are_long_and_of_all_sorts() -> None:
    policy = pool()["passwordPolicy"]
    assert policy["minimumLength"] >= 12
    assert {policy[f"require{sort}"] for sort in ("Lowercase", "Uppercase", "Numbers", "Symbols")} == {True}
    assert policy["temporaryPasswordValidityDays"] <= 7


def test_a_forgotten_password_comes_back_by_the_confirmed_address_alone() -> None:
    recovery = pool()["accountRecoverySetting"]["recoveryMechanisms"]
    assert recovery == [{"name": "verified_email", "priority": 1}]


@pytest.mark.parametrize(
    ("mfa", "word", "totp"),
    [
        ("none", "OFF", None),
        ("optional", "OPTIONAL", {"enabled": True}),
        ("required", "ON", {"enabled": True}),
    ],
)
def test_the_second_factor_is_an_app_as_set(mfa: str, word: str, totp: dict[str, bool] | None) -> None:
    made = pool(mfa=mfa)
    assert made["mfaConfiguration"] == word
    assert made.get("softwareTokenMfaConfiguration") == totp
    assert "smsConfiguration" not in made, "a text message can be intercepted, and costs"


@pytest.mark.parametrize("protected", [True, False])
def test_a_protected_pool_refuses_deletion_three_times(protected: bool) -> None:
    recording = identity(protect=protected)
    made = recording.only(POOL)
    assert (made.protect, made.retain_on_delete) == (protected, protected)
    assert made.inputs["deletionProtection"] == ("ACTIVE" if protected else "INACTIVE")
    assert recording.only(CLIENT).retain_on_delete is protected, "the page could not sign in to the kept pool"


def test_the_page_is_a_client_without_secret_that_proves_its_password() -> None:
    made = client()
    assert made["generateSecret"] is False, "a browser keeps no secret"
    assert made["explicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    assert client(password_auth=True)["explicitAuthFlows"][-1] == "ALLOW_USER_PASSWORD_AUTH"


def test_an_answer_never_tells_whether_there_is_such_a_user() -> None:
    assert client()["preventUserExistenceErrors"] == "ENABLED"


def test_tokens_hold_as_long_as_set_and_can_be_taken_away() -> None:
    made = client(access_token_minutes=15, refresh_token_days=7)
    validity = {one: made[f"{one}TokenValidity"] for one in ("access", "id", "refresh")}
    assert validity == {"access": 15, "id": 15, "refresh": 7}
    assert made["tokenValidityUnits"] == {
        "accessToken": "minutes",
        "idToken": "minutes",
        "refreshToken": "days",
    }
    assert made["enableTokenRevocation"] is True


def test_a_user_can_not_change_the_address_that_the_operator_gave() -> None:
    made = client()
    assert made["writeAttributes"] == ["name"], (
        "with a stolen token address and then password could be changed"
    )
    assert set(made["readAttributes"]) == {"email", "email_verified", "name"}


def test_the_outputs_are_the_pool_s_and_the_client_s_ids() -> None:
    recording = identity()
    made, page = recording.only(POOL), recording.only(CLIENT)
    assert page.inputs["userPoolId"] == made.outputs["id"]
    assert recording.registered["id"] == {
        "user_pool_id": made.outputs["id"],
        "user_pool_client_id": page.outputs["id"],
    }
