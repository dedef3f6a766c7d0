"""`ops users`: who may sign in. Nobody comes in but by these commands; the pool takes no sign-ups."""

import re
import secrets
import string
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import BAD, OpsError, code
from ops.show import age, as_json, console, counted, table
from ops.stack import LOCAL, Stack

DEMO_EMAIL = "designer@example.com"
DEMO_PASSWORD = "Draw-a-room-4-me"
"""Known to everybody, so only on this machine's emulator (`ensure_demo`)."""

INVITED = "FORCE_CHANGE_PASSWORD"
WORDS = {INVITED: "invited", "CONFIRMED": "active", "RESET_REQUIRED": "to set a new password"}
"""Cognito's states of a user in words."""
TOTP = "SOFTWARE_TOKEN_MFA"
SIDE_BY_SIDE = 8
"""Users asked for at once; Cognito takes 120 such calls a second (docs.aws.amazon.com/cognito/latest/developerguide/quotas.html)."""
GENERATED_LENGTH = 20
"""Characters of a password made here; above the pool's least."""


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of the pool. `id` is the owner in the records of generations (Cognito's `sub`); `status` Cognito's word."""

    email: str
    name: str
    id: str
    status: str
    enabled: bool
    mfa: str
    created: datetime

    def told(self) -> str:
        """State in words: `active`, `invited, disabled`."""
        word = WORDS.get(self.status, self.status)
        return word if self.enabled else f"{word}, disabled"


@dataclass(frozen=True, kw_only=True)
class AddArgs:
    """Who comes in. A `password` is for good and sends no mail: on an emulator only."""

    email: str
    name: str = ""
    password: str | None = None


def add(stack: Stack, args: AddArgs, *, json: bool) -> int:
    """Make a user. AWS sends an invitation with a temporary password; where no mail is sent, it is shown."""
    pool, email = stack.output("userPoolId"), address(args.email)
    _refuse_password(stack, args.password)
    temporary = None if sends_mail(stack) or args.password else _generated()
    _create(stack, pool, email, args.name, temporary)
    if args.password:
        try:
            _set_password(stack, pool, email, args.password, permanent=True)
        except OpsError:
            stack.client("cognito-idp").admin_delete_user(UserPoolId=pool, Username=email)
            raise
    page = str(stack.outputs().get("frontendUrl") or "")
    _report(stack, email, "added", json=json, temporary=temporary, own=args.password is not None, page=page)
    return 0


def show(stack: Stack, *, json: bool) -> int:
    """All users by their address: status, whether they may sign in, second factor, since when."""
    users = read(stack)
    if json:
        as_json(
            [
                {
                    "email": one.email,
                    "name": one.name,
                    "id": one.id,
                    "status": one.status,
                    "enabled": one.enabled,
                    "mfa": one.mfa,
                    "created": one.created,
                }
                for one in users
            ]
        )
        return 0
    out = console()
    if users:
        rows = table("E-mail", "Name", "Status", "Enabled", "MFA", "Created")
        for one in users:
            enabled = "yes" if one.enabled else "no"
            since = f"{age(one.created)} ago"
            rows.add_row(one.email, one.name, WORDS.get(one.status, one.status), enabled, one.mfa, since)
        out.print(rows)
    out.print(f"{counted(len(users), 'user')} in stack {stack.name}")
    return 0


def switch(stack: Stack, email: str, *, on: bool, json: bool) -> int:
    """Let a user sign in, or no more. Disabled, the user is signed out everywhere too; twice does no harm."""
    pool, user = _known(stack, email)
    client, who = stack.client("cognito-idp"), {"UserPoolId": pool, "Username": user.email}
    done = "enabled" if on else "disabled"
    if on:
        client.admin_enable_user(**who)
    else:
        client.admin_disable_user(**who)
        client.admin_user_global_sign_out(**who)
    changed = user.enabled is not on
    minutes = 0 if on else _token_minutes(stack, pool)
    if json:
        as_json({"email": user.email, "enabled": on, "changed": changed, "tokensHoldMinutes": minutes})
        return 0
    console().print(f"{user.email} is {'' if changed else 'already '}{done}", soft_wrap=True)
    if not on:
        # The backend checks a token's signature and time alone; it doesn't ask Cognito at every request.
        console().print(
            f"signed out everywhere; a page that is open now can go on for up to {counted(minutes, 'minute')}",
            soft_wrap=True,
        )
    return 0


def reset(stack: Stack, email: str, password: str | None, *, json: bool) -> int:
    """Take a password away. AWS sends a code, or the invitation anew to who never came; signed out everywhere."""
    pool, user = _known(stack, email)
    _refuse_password(stack, password)
    if not user.enabled:
        raise OpsError(f"{user.email} is disabled; first: python -m ops users enable {user.email}", BAD)
    client, who = stack.client("cognito-idp"), {"UserPoolId": pool, "Username": user.email}
    temporary = None
    if not sends_mail(stack):
        temporary = None if password else _generated()
        _set_password(stack, pool, user.email, password or str(temporary), permanent=password is not None)
    elif user.status == INVITED:
        # Cognito resets no password that was never set; the invitation has a new one.
        client.admin_create_user(**who, MessageAction="RESEND", DesiredDeliveryMediums=["EMAIL"])
    else:
        client.admin_reset_user_password(**who)
    client.admin_user_global_sign_out(**who)
    done = "invited again" if user.status == INVITED and sends_mail(stack) else "reset"
    _report(stack, user.email, done, json=json, temporary=temporary, own=password is not None)
    return 0


def ensure_demo(stack: Stack) -> tuple[str, str]:
    """Address and password of the sandbox's demo user, who is made, enabled and given this password as needed.

    OpsError for any stack but the local one on its emulator: everybody knows the password.
    """
    if stack.name != LOCAL or not stack.endpoint:
        raise OpsError(f"a demo user is for the stack {LOCAL} alone: its password is known to everybody")
    pool, client = stack.output("userPoolId"), stack.client("cognito-idp")
    if _find(stack, pool, DEMO_EMAIL) is None:
        _create(stack, pool, DEMO_EMAIL, "Demo designer", _generated())
    client.admin_enable_user(UserPoolId=pool, Username=DEMO_EMAIL)
    _set_password(stack, pool, DEMO_EMAIL, DEMO_PASSWORD, permanent=True)
    return DEMO_EMAIL, DEMO_PASSWORD


def read(stack: Stack) -> list[User]:
    """All users of the stack's pool, by their address."""
    pool, client = stack.output("userPoolId"), stack.client("cognito-idp")
    pages = client.get_paginator("list_users").paginate(UserPoolId=pool)
    names: list[str] = [one["Username"] for page in pages for one in page["Users"]]
    # The list knows nothing of authenticator apps: each user is asked for.
    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as side_by_side:
        found = list(side_by_side.map(partial(_find, stack, pool), names))
    return sorted((one for one in found if one is not None), key=lambda one: one.email)


def sends_mail(stack: Stack) -> bool:
    """Whether Cognito itself answers: an emulator sends none."""
    return stack.endpoint is None


def address(text: str) -> str:
    """The e-mail address in the one form that is kept: no space around it, small letters. OpsError when it is none."""
    found = text.strip().lower()
    if not re.fullmatch(r"[^@\s\"<>]+@[^@\s.]+(\.[^@\s.]+)+", found) or len(found) > 128:
        raise OpsError(
            f'"{text}" is no e-mail address; allowed: such as ann@example.com, up to 128 characters'
        )
    return found


def _known(stack: Stack, email: str) -> tuple[str, User]:
    """The pool and a user who must be in it."""
    pool, wanted = stack.output("userPoolId"), address(email)
    user = _find(stack, pool, wanted)
    if user is None:
        raise OpsError(
            f"stack {stack.name} has no user {wanted}; those it has: "
            f"python -m ops --stack {stack.name} users list",
            BAD,
        )
    return pool, user


def _find(stack: Stack, pool: str, name: str) -> User | None:
    try:
        found = stack.client("cognito-idp").admin_get_user(UserPoolId=pool, Username=name)
    except ClientError as error:
        if code(error) == "UserNotFoundException":
            return None
        raise
    told: Mapping[str, str] = {one["Name"]: one["Value"] for one in found["UserAttributes"]}
    return User(
        email=told.get("email", name),
        name=told.get("name", ""),
        id=told.get("sub", found["Username"]),
        status=found["UserStatus"],
        enabled=found["Enabled"],
        mfa="app" if TOTP in found.get("UserMFASettingList", []) else "none",
        created=found["UserCreateDate"],
    )


def _create(stack: Stack, pool: str, email: str, name: str, temporary: str | None) -> None:
    """Make a user who is asked for an own password at first. OpsError when there is one of this address."""
    attributes = {"email": email, "email_verified": "true", **({"name": name} if name else {})}
    quiet: dict[str, Any] = {"MessageAction": "SUPPRESS"}
    mail: dict[str, Any] = {"DesiredDeliveryMediums": ["EMAIL"]} if sends_mail(stack) else quiet
    if temporary:
        mail["TemporaryPassword"] = temporary
    try:
        stack.client("cognito-idp").admin_create_user(
            UserPoolId=pool,
            Username=email,
            UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()],
            **mail,
        )
    except ClientError as error:
        if code(error) not in ("UsernameExistsException", "AliasExistsException"):
            raise
        there = _find(stack, pool, email)
        raise OpsError(
            f"{email} is a user already ({there.told() if there else 'just made'}); nothing was changed. "
            f"Another invitation or password: python -m ops --stack {stack.name} users reset {email}",
            BAD,
        ) from error


def _set_password(stack: Stack, pool: str, email: str, password: str, *, permanent: bool) -> None:
    client = stack.client("cognito-idp")
    try:
        client.admin_set_user_password(
            UserPoolId=pool, Username=email, Password=password, Permanent=permanent
        )
    except client.exceptions.InvalidPasswordException as error:
        raise OpsError(
            f"the password is too weak, nothing was changed; allowed: {_policy(stack, pool)}", BAD
        ) from error


def _policy(stack: Stack, pool: str) -> str:
    """What the pool asks of a password, in words."""
    found = stack.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
    policy = found["Policies"]["PasswordPolicy"]
    sorts = {
        "RequireUppercase": "a capital",
        "RequireLowercase": "a small letter",
        "RequireNumbers": "a digit",
        "RequireSymbols": "a symbol",
    }
    needed = [words for key, words in sorts.items() if policy.get(key)]
    least = f"at least {policy['MinimumLength']} characters"
    return f"{least}, among them {', '.join(needed)}" if needed else least


def _token_minutes(stack: Stack, pool: str) -> int:
    """How long an access token of the page holds."""
    client = stack.client("cognito-idp").describe_user_pool_client(
        UserPoolId=pool, ClientId=stack.output("userPoolClientId")
    )["UserPoolClient"]
    unit = client.get("TokenValidityUnits", {}).get("AccessToken", "hours")
    # Without a word of ours Cognito's tokens hold one hour.
    return round(
        (client.get("AccessTokenValidity") or 1)
        * {"seconds": 1 / 60, "minutes": 1, "hours": 60, "days": 1440}[unit]
    )


def _refuse_password(stack: Stack, password: str | None) -> None:
    if password is not None and sends_mail(stack):
        raise OpsError(
            "--password-stdin is for the emulator, which sends no mail; on AWS a password is known to its user alone"
        )


def _generated() -> str:
    """A password of all sorts of characters, as every policy may ask; without those that are taken for others."""
    sorts = [
        "".join(sorted(set(string.ascii_uppercase) - set("IO"))),
        "".join(sorted(set(string.ascii_lowercase) - set("l"))),
        "23456789",
        "-_.+",
    ]
    drawn = [secrets.choice(sort) for sort in sorts]
    drawn += [secrets.choice("".join(sorts)) for _ in range(GENERATED_LENGTH - len(sorts))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


def _report(
    stack: Stack, email: str, done: str, *, json: bool, temporary: str | None, own: bool, page: str = ""
) -> None:
    if json:
        as_json(
            {
                "email": email,
                "result": done,
                "mailSent": sends_mail(stack),
                "temporaryPassword": temporary,
                "page": page or None,
            }
        )
        return
    out = console()
    if temporary:
        told = f"temporary password (no mail is sent here): {temporary}"
    else:
        told = "with the password given" if own else "Cognito sends the mail"
    out.print(f"{done}: {email}; {told}", soft_wrap=True)
    if page:
        out.print(f"the page to sign in at: {page}", soft_wrap=True)
