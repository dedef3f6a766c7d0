"""Cognito user pools and their clients. moto signs users in, sends no mail, and holds nobody to most settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, inward, outward, present
from sandbox.aws.table import Aws, Props, ResourceType

SERVICE = "cognito-idp"
NAMES = {
    "attributesRequireVerificationBeforeUpdates": "AttributesRequireVerificationBeforeUpdate",
    "smsMessage": "SMSMessage",
}
"""Where Cognito doesn't spell a nested name as Pulumi does with a capital."""

FIXED = {"aliasAttributes": "AliasAttributes", "usernameAttributes": "UsernameAttributes"}
OBJECTS = {
    "accountRecoverySetting": "AccountRecoverySetting",
    "adminCreateUserConfig": "AdminCreateUserConfig",
    "userAttributeUpdateSettings": "UserAttributeUpdateSettings",
}
VALUES = {"autoVerifiedAttributes": "AutoVerifiedAttributes", "deletionProtection": "DeletionProtection"}
"""Inputs of a pool -> parameters of Cognito: those that only the creation takes, objects, and plain ones."""

TOTP = "softwareTokenMfaConfiguration"
MFA_OFF = "OFF"


def _pool(inputs: Props) -> Props:
    """What creation and update both take. An update without a parameter sets it back, so each call has all."""
    policy = inputs.get("passwordPolicy")
    return present(
        Policies={"PasswordPolicy": outward(policy)} if policy else None,
        UserPoolTags=inputs.get("tagsAll") or {},
        **{theirs: outward(inputs[ours], NAMES) for ours, theirs in OBJECTS.items() if inputs.get(ours)},
        **{theirs: inputs.get(ours) for ours, theirs in VALUES.items()},
    )


def _create_pool(aws: Aws, inputs: Props) -> str:
    case: Props = inputs.get("usernameConfiguration") or {}
    made = aws.client(SERVICE).create_user_pool(
        PoolName=inputs["name"],
        **_pool(inputs),
        **present(
            UsernameConfiguration=outward(case) or None,
            **{theirs: inputs.get(ours) or None for ours, theirs in FIXED.items()},
        ),
    )
    return made["UserPool"]["Id"]


def _set_mfa(aws: Aws, id: str, inputs: Props) -> None:
    """A call of its own: creation and update know nothing of authenticator apps."""
    wanted = inputs.get("mfaConfiguration") or MFA_OFF
    aws.client(SERVICE).set_user_pool_mfa_config(
        UserPoolId=id,
        MfaConfiguration=wanted,
        **present(SoftwareTokenMfaConfiguration=outward(inputs.get(TOTP))),
    )


def _read_pool(aws: Aws, id: str, last: Props) -> Props | None:
    """Without the number of users: it would make every refresh after a new user show a change."""
    client = aws.client(SERVICE)
    answer = found_or_none(client.describe_user_pool, UserPoolId=id)
    if answer is None:
        return None
    pool = answer["UserPool"]
    mfa = client.get_user_pool_mfa_config(UserPoolId=id)
    return {
        "arn": pool["Arn"],
        "creationDate": pool["CreationDate"].isoformat(),
        "endpoint": f"cognito-idp.{aws.region}.amazonaws.com/{id}",
        "lastModifiedDate": pool["LastModifiedDate"].isoformat(),
        "mfaConfiguration": mfa.get("MfaConfiguration") or MFA_OFF,
        "name": pool["Name"],
        "passwordPolicy": inward(pool["Policies"]["PasswordPolicy"]),
        "usernameConfiguration": inward(pool.get("UsernameConfiguration") or {}),
        "tagsAll": pool.get("UserPoolTags") or {},
        TOTP: inward(mfa.get("SoftwareTokenMfaConfiguration") or {}),
        **{ours: pool.get(theirs) or [] for ours, theirs in FIXED.items()},
        **{ours: inward(pool.get(theirs) or {}, NAMES) for ours, theirs in OBJECTS.items()},
        "autoVerifiedAttributes": pool.get("AutoVerifiedAttributes") or [],
        "deletionProtection": pool.get("DeletionProtection") or "INACTIVE",
    }


def _update_pool(aws: Aws, id: str, old: Props, new: Props) -> None:
    client = aws.client(SERVICE)
    client.meta.events.register(
        "before-call.cognito-identity-provider.UpdateUserPool", _keeping(client), unique_id="sandbox-fixed"
    )
    client.update_user_pool(UserPoolId=id, **_pool(new))
    _set_mfa(aws, id, new)


def _keeping(client: Any) -> Callable[..., None]:
    """Puts what only the creation is told into an update as well: moto forgets it otherwise, and with it that users
    sign in by their e-mail address."""

    def add(params: Props, **_: Any) -> None:
        body = json.loads(params["body"])
        pool = client.describe_user_pool(UserPoolId=body["UserPoolId"])["UserPool"]
        kept = {key: pool[key] for key in (*FIXED.values(), "UsernameConfiguration") if key in pool}
        params["body"] = json.dumps(kept | body).encode()

    return add


def _delete_pool(aws: Aws, id: str, last: Props) -> None:
    client = aws.client(SERVICE)
    pool = client.describe_user_pool(UserPoolId=id)["UserPool"]
    if pool.get("DeletionProtection") == "ACTIVE":  # moto would delete it
        raise ValueError(
            f"user pool {id} cannot be deleted because deletion protection is activated; make it INACTIVE first"
        )
    client.delete_user_pool(UserPoolId=id)


CLIENT: dict[str, tuple[str, Any]] = {
    "name": ("ClientName", ""),
    "accessTokenValidity": ("AccessTokenValidity", 0),
    "enableTokenRevocation": ("EnableTokenRevocation", True),
    "explicitAuthFlows": ("ExplicitAuthFlows", []),
    "idTokenValidity": ("IdTokenValidity", 0),
    "preventUserExistenceErrors": ("PreventUserExistenceErrors", ""),
    "readAttributes": ("ReadAttributes", []),
    "refreshTokenValidity": ("RefreshTokenValidity", 30),
    "writeAttributes": ("WriteAttributes", []),
}
"""Inputs of a client -> parameter of Cognito, and what is shown when nobody set it."""


def _client(inputs: Props) -> Props:
    units = inputs.get("tokenValidityUnits")
    return present(
        TokenValidityUnits=outward(units) if units else None,
        **{theirs: inputs.get(ours) for ours, (theirs, _) in CLIENT.items()},
    )


def _create_client(aws: Aws, inputs: Props) -> str:
    made = aws.client(SERVICE).create_user_pool_client(
        UserPoolId=inputs["userPoolId"],
        GenerateSecret=bool(inputs.get("generateSecret")),
        **_client(inputs),
    )
    return made["UserPoolClient"]["ClientId"]


def _read_client(aws: Aws, id: str, last: Props) -> Props | None:
    """By the pool that it was made in: Cognito finds no client without one."""
    pool = last.get("userPoolId")
    if not pool:
        return None
    answer = found_or_none(aws.client(SERVICE).describe_user_pool_client, UserPoolId=pool, ClientId=id)
    if answer is None:
        return None
    client = answer["UserPoolClient"]
    secret = client.get("ClientSecret") or ""
    return {
        "clientSecret": secret,
        "generateSecret": bool(secret),
        "tokenValidityUnits": inward(client.get("TokenValidityUnits") or {}),
        "userPoolId": client["UserPoolId"],
        **{ours: client.get(theirs, default) for ours, (theirs, default) in CLIENT.items()},
    }


def _update_client(aws: Aws, id: str, old: Props, new: Props) -> None:
    aws.client(SERVICE).update_user_pool_client(UserPoolId=new["userPoolId"], ClientId=id, **_client(new))


def _delete_client(aws: Aws, id: str, last: Props) -> None:
    aws.client(SERVICE).delete_user_pool_client(UserPoolId=last["userPoolId"], ClientId=id)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:cognito/userPool:UserPool",
            create=_create_pool,
            read=_read_pool,
            update=_update_pool,
            delete=_delete_pool,
            # Cognito could rename a pool; moto can't.
            immutable=frozenset({"aliasAttributes", "name", "usernameAttributes", "usernameConfiguration"}),
            autoname="name",
            autoname_max=128,
        ),
        takes="accountRecoverySetting adminCreateUserConfig aliasAttributes autoVerifiedAttributes "
        "deletionProtection mfaConfiguration name passwordPolicy softwareTokenMfaConfiguration "
        "userAttributeUpdateSettings usernameAttributes usernameConfiguration",
        finish=_set_mfa,
    ),
    faithful(
        ResourceType(
            token="aws:cognito/userPoolClient:UserPoolClient",
            create=_create_client,
            read=_read_client,
            update=_update_client,
            delete=_delete_client,
            immutable=frozenset({"generateSecret", "userPoolId"}),
            autoname="name",
            autoname_max=128,
        ),
        takes="accessTokenValidity enableTokenRevocation explicitAuthFlows generateSecret idTokenValidity name "
        "preventUserExistenceErrors readAttributes refreshTokenValidity tokenValidityUnits userPoolId writeAttributes",
    ),
)
