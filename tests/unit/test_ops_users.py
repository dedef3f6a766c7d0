"""`ops users`: in by the operator's hand alone, out at once, and no password in the wrong place."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

import contract
from ops import cli, users
from ops.errors import OpsError
from ops.stack import connect
from tests.unit.ops_cloud import STACK, Cloud, cloud_for_ops

ANN, BOB = "ann@example.com", "bob@example.com"
STRONG = "Stronger-than-this-1"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.put_outputs({**make_pool(made), "frontendUrl": "https://main.d1.amplifyapp.com"})
        yield made


def make_pool(cloud: Cloud) -> dict[str, str]:
    """A pool and a client as the program makes them; the outputs that name them."""
    client = cloud.client("cognito-idp")
    policy: dict[str, Any] = {
        f"Require{sort}": True for sort in ("Uppercase", "Lowercase", "Numbers", "Symbols")
    }
    pool = client.create_user_pool(
        PoolName="identity",
        UsernameAttributes=["email"],
        Policies={"PasswordPolicy": {"MinimumLength": 12, **policy}},
    )["UserPool"]["Id"]
    page = client.create_user_pool_client(
        UserPoolId=pool,
        ClientName="page",
        AccessTokenValidity=45,
        TokenValidityUnits={"AccessToken": "minutes"},
    )
    return {"userPoolId": pool, "userPoolClientId": page["UserPoolClient"]["ClientId"]}


def run(*arguments: str) -> int:
    return cli.main(["--stack", STACK, "users", *arguments])


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command tells a program."""
    capsys.readouterr()
    assert run(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {one["email"]: one for one in answer(capsys, "list")}


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def pool_of(cloud: Cloud) -> dict[str, str]:
    parameter = cloud.client("ssm").get_parameter(Name=contract.outputs_parameter(STACK))
    return json.loads(parameter["Parameter"]["Value"])


def sign_in(cloud: Cloud, email: str, password: str) -> dict[str, Any]:
    return cloud.client("cognito-idp").initiate_auth(
        ClientId=pool_of(cloud)["userPoolClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )


def test_who_is_added_gets_a_temporary_password_that_must_be_changed(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    made = answer(capsys, "add", f" {ANN.title()} ", "--name", "Ann Lee")
    assert (made["email"], made["mailSent"], made["result"]) == (ANN, False, "added")
    assert made["page"] == "https://main.d1.amplifyapp.com"
    signed_in = sign_in(cloud, ANN, made["temporaryPassword"])
    assert signed_in["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert listed(capsys)[ANN]["name"] == "Ann Lee"


def test_the_temporary_password_is_told_to_a_person_too(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", ANN) == 0
    told = capsys.readouterr().out
    found = re.search(r"temporary password \(no mail is sent here\): (\S+)", told)
    assert found and sign_in(cloud, ANN, found[1])["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def test_no_two_generated_passwords_are_alike_and_each_meets_the_policy(cloud: Cloud) -> None:
    made = {users._generated() for _ in range(200)}  # pyright: ignore[reportPrivateUsage]  # chance is seen over many
    assert len(made) == 200
    for one in made:
        assert len(one) >= 16 and all(re.search(sort, one) for sort in ("[A-Z]", "[a-z]", "[0-9]", r"[-_.+]"))


def test_a_password_from_standard_input_stays(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, f"{STRONG}\n")
    made = answer(capsys, "add", ANN, "--password-stdin")
    assert made["temporaryPassword"] is None and STRONG not in json.dumps(made)
    assert "AccessToken" in sign_in(cloud, ANN, STRONG)["AuthenticationResult"]


def test_a_weak_password_adds_nobody_and_tells_the_policy(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "short\n")
    assert run("add", ANN, "--password-stdin") == 1
    told = capsys.readouterr().err
    assert "at least 12 characters, among them a capital, a small letter, a digit, a symbol" in told
    assert "short" not in told.replace("too short", ""), "a password was repeated"
    assert listed(capsys) == {}


def test_an_empty_standard_input_is_told(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "")
    assert run("add", ANN, "--password-stdin") == 2
    assert "standard input has no password" in capsys.readouterr().err


def test_who_is_there_already_is_left_as_is(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    password = answer(capsys, "add", ANN)["temporaryPassword"]
    assert run("add", ANN.upper()) == 1
    told = capsys.readouterr().err
    assert f"{ANN} is a user already (invited); nothing was changed" in told and "users reset" in told
    assert sign_in(cloud, ANN, password)["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


@pytest.mark.parametrize(
    "email", ["ann", "ann@", "@example.com", "a b@example.com", "ann@example", "x" * 120 + "@example.com"]
)
def test_what_is_no_address_is_refused(cloud: Cloud, capsys: pytest.CaptureFixture[str], email: str) -> None:
    assert run("add", email) == 2
    assert "is no e-mail address" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["disable", "enable", "reset"])
def test_an_unknown_user_is_told(cloud: Cloud, capsys: pytest.CaptureFixture[str], action: str) -> None:
    assert run(action, BOB) == 1
    assert f"stack {STACK} has no user {BOB}" in capsys.readouterr().err


def test_the_list_has_every_user_by_address(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(62):  # Cognito gives 60 at once
        answer(capsys, "add", f"user{number:02}@example.com")
    found = listed(capsys)
    assert list(found) == sorted(f"user{number:02}@example.com" for number in range(62))
    one = found["user07@example.com"]
    assert (one["status"], one["enabled"], one["mfa"]) == ("FORCE_CHANGE_PASSWORD", True, "none")
    assert re.fullmatch(r"[0-9a-f-]{36}", one["id"]) and one["created"].startswith("20")


def test_the_list_for_people_fits_80_columns_and_tells_who_has_an_app(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, STRONG)
    run("add", ANN, "--password-stdin")
    run("add", BOB, "--name", "Bob")
    client = cloud.client("cognito-idp")
    token = sign_in(cloud, ANN, STRONG)["AuthenticationResult"]["AccessToken"]
    client.associate_software_token(AccessToken=token)
    client.verify_software_token(AccessToken=token, UserCode="123456")
    client.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    capsys.readouterr()
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert re.search(rf"{ANN} +active +yes +app +\d+ s ago", shown)
    assert re.search(rf"{BOB} +Bob +invited +yes +none", shown)
    assert "2 users in stack dev" in shown


def test_who_is_disabled_is_out_at_once_and_comes_back_when_enabled(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, STRONG)
    answer(capsys, "add", ANN, "--password-stdin")
    tokens = sign_in(cloud, ANN, STRONG)["AuthenticationResult"]
    assert answer(capsys, "disable", ANN) == {
        "email": ANN,
        "enabled": False,
        "changed": True,
        "tokensHoldMinutes": 45,
    }
    with pytest.raises(ClientError, match="disabled"):
        sign_in(cloud, ANN, STRONG)
    with pytest.raises(ClientError, match="revoked"):
        cloud.client("cognito-idp").initiate_auth(
            ClientId=pool_of(cloud)["userPoolClientId"],
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
        )
    assert answer(capsys, "disable", ANN)["changed"] is False
    assert answer(capsys, "enable", ANN)["changed"] is True
    assert "AuthenticationResult" in sign_in(cloud, ANN, STRONG)


def test_a_disabled_user_is_told_to_a_person_with_how_long_a_page_goes_on(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", ANN)
    capsys.readouterr()
    assert run("disable", ANN) == 0
    told = capsys.readouterr().out
    assert f"{ANN} is disabled" in told and "can go on for up to 45 minutes" in told
    assert run("disable", ANN) == 0
    assert "is already disabled" in capsys.readouterr().out


def test_a_reset_takes_the_old_password_and_every_sign_in_away(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, STRONG)
    answer(capsys, "add", ANN, "--password-stdin")
    refresh = sign_in(cloud, ANN, STRONG)["AuthenticationResult"]["RefreshToken"]
    made = answer(capsys, "reset", ANN)
    with pytest.raises(ClientError, match="Incorrect"):
        sign_in(cloud, ANN, STRONG)
    assert sign_in(cloud, ANN, made["temporaryPassword"])["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    with pytest.raises(ClientError, match="revoked"):
        cloud.client("cognito-idp").initiate_auth(
            ClientId=pool_of(cloud)["userPoolClientId"],
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": refresh},
        )


def test_a_disabled_user_is_not_reset(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    run("add", ANN)
    run("disable", ANN)
    assert run("reset", ANN) == 1
    assert f"users enable {ANN}" in capsys.readouterr().err


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> list[tuple[str, dict[str, Any]]]:
    """As on AWS: Cognito sends the mails. What was asked of it, since moto would send none."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked.append((model.name, json.loads(params["body"])))

    real = connect

    def watched(*arguments: Any) -> Any:
        stack = real(*arguments)
        stack.client("cognito-idp").meta.events.register("before-call.cognito-identity-provider", note)
        return stack

    monkeypatch.setattr(cli, "connect", watched)
    monkeypatch.setattr(users, "sends_mail", _always)
    return asked


def test_on_aws_the_invitation_goes_by_mail_and_no_password_is_shown(
    mails: list[tuple[str, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    made = answer(capsys, "add", ANN)
    assert (made["mailSent"], made["temporaryPassword"]) == (True, None)
    [(_, asked)] = [one for one in mails if one[0] == "AdminCreateUser"]
    assert asked["DesiredDeliveryMediums"] == ["EMAIL"]
    assert "MessageAction" not in asked and "TemporaryPassword" not in asked
    assert {"Name": "email_verified", "Value": "true"} in asked["UserAttributes"], (
        "no code could be sent later"
    )


def test_on_aws_nobody_but_the_user_knows_the_password(
    mails: list[tuple[str, dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed(monkeypatch, STRONG)
    assert run("add", ANN, "--password-stdin") == 2
    assert "known to its user alone" in capsys.readouterr().err
    assert "AdminCreateUser" not in [name for name, _ in mails]


@pytest.mark.parametrize(("came", "call"), [(False, "AdminCreateUser"), (True, "AdminResetUserPassword")])
def test_on_aws_a_reset_is_a_code_or_another_invitation_for_who_never_came(
    cloud: Cloud,
    mails: list[tuple[str, dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
    came: bool,
    call: str,
) -> None:
    answer(capsys, "add", ANN)
    if came:
        cloud.client("cognito-idp").admin_set_user_password(
            UserPoolId=pool_of(cloud)["userPoolId"], Username=ANN, Password=STRONG, Permanent=True
        )
    mails.clear()
    made = answer(capsys, "reset", ANN)
    assert (made["mailSent"], made["temporaryPassword"]) == (True, None)
    names = [name for name, _ in mails]
    assert call in names and "AdminUserGlobalSignOut" in names and "AdminSetUserPassword" not in names
    if not came:
        assert dict(mails)[call]["MessageAction"] == "RESEND"


def _always(stack: Any) -> bool:
    return True


def local(cloud: Cloud) -> Any:
    """The local stack, with a pool of its own, as `tools` would hand it over."""
    name = contract.outputs_parameter("local")
    cloud.put_parameter(name, json.dumps(make_pool(cloud)))
    return connect("local")


def test_the_demo_user_can_sign_in_however_often_it_is_made(cloud: Cloud) -> None:
    stack = local(cloud)
    email, password = users.ensure_demo(stack)
    assert users.ensure_demo(stack) == (email, password)
    pool = stack.output("userPoolId")
    cloud.client("cognito-idp").admin_disable_user(UserPoolId=pool, Username=email)
    assert users.ensure_demo(stack) == (email, password)
    signed_in = cloud.client("cognito-idp").initiate_auth(
        ClientId=stack.output("userPoolClientId"),
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    assert "AccessToken" in signed_in["AuthenticationResult"]
    assert [one.email for one in users.read(stack)] == [email]


def test_only_the_local_stack_gets_a_demo_user(cloud: Cloud) -> None:
    with pytest.raises(OpsError, match="for the stack local alone"):
        users.ensure_demo(connect(STACK))
    assert users.read(connect(STACK)) == []


def test_a_pool_that_is_gone_is_told(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.client("cognito-idp").delete_user_pool(UserPoolId=pool_of(cloud)["userPoolId"])
    assert run("list") == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_stack_without_a_pool_says_what_to_do(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put_outputs({"stack": STACK})
    assert run("list") == 2
    assert "have no userPoolId" in capsys.readouterr().err
