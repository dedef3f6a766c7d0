"""Who may sign in: the stack's own user pool, and the page as its only client."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from setting_models import IdentitySettings

PASSWORD_LENGTH = 12
TEMPORARY_PASSWORD_DAYS = 7
"""An invitation is worth nothing after that; `ops users reset` sends another."""
MFA_WORDS = {"none": "OFF", "optional": "OPTIONAL", "required": "ON"}
"""The setting's words as Cognito spells them."""
INVITATION_SUBJECT = "You may sign in to the studio's pictures"
INVITATION = (
    "You were added to the studio's image service.<br><br>Sign in on its page with<br>"
    "e-mail: {username}<br>password for the first time: {####}<br><br>"
    f"It holds for {TEMPORARY_PASSWORD_DAYS} days. You will be asked for a password of your own."
)
"""Cognito fills in both marks, and refuses a text without them. The page's address isn't in it: the page needs the
pool, so the pool comes first."""


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """How users sign in and for how long; whether the pool refuses deletion."""

    settings: IdentitySettings
    protect_data: bool


class Identity(pulumi.ComponentResource):
    """Users sign in with their e-mail address and a strong password, and come in by the operator alone.

    An answer never tells whether an address has an account. With `protectData` the pool refuses deletion and outlives
    the stack: its users' ids are the owners of all pictures.
    """

    user_pool_id: pulumi.Output[str]
    user_pool_client_id: pulumi.Output[str]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:identity:Identity", name, None, opts)
        pool = _create_pool(name, args, self)
        page = _create_client(f"{name}-page", args, pool, self)
        self.user_pool_id = pool.id
        self.user_pool_client_id = page.id
        self.register_outputs(
            {"user_pool_id": self.user_pool_id, "user_pool_client_id": self.user_pool_client_id}
        )


def _create_pool(name: str, args: IdentityArgs, parent: pulumi.Resource) -> aws.cognito.UserPool:
    keep, mfa = args.protect_data, args.settings.mfa
    return aws.cognito.UserPool(
        name,
        username_attributes=["email"],
        username_configuration={"case_sensitive": False},
        auto_verified_attributes=["email"],
        # A changed address counts when its owner has confirmed it, not before.
        user_attribute_update_settings={"attributes_require_verification_before_updates": ["email"]},
        admin_create_user_config={
            "allow_admin_create_user_only": True,
            "invite_message_template": {
                "email_subject": INVITATION_SUBJECT,
                "email_message": INVITATION,
            },
        },
        password_policy={
            "minimum_length": PASSWORD_LENGTH,
            "require_lowercase": True,
            "require_uppercase": True,
            "require_numbers": True,
            "require_symbols": True,
            "temporary_password_validity_days": TEMPORARY_PASSWORD_DAYS,
        },
        account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
        mfa_configuration=MFA_WORDS[mfa],
        software_token_mfa_configuration=None if mfa == "none" else {"enabled": True},
        deletion_protection="ACTIVE" if keep else "INACTIVE",
        opts=pulumi.ResourceOptions(parent=parent, protect=keep, retain_on_delete=keep),
    )


def _create_client(
    name: str, args: IdentityArgs, pool: aws.cognito.UserPool, parent: pulumi.Resource
) -> aws.cognito.UserPoolClient:
    """No secret: what runs in a browser can keep none."""
    settings = args.settings
    flows = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    return aws.cognito.UserPoolClient(
        name,
        user_pool_id=pool.id,
        generate_secret=False,
        explicit_auth_flows=[*flows, "ALLOW_USER_PASSWORD_AUTH"] if settings.password_auth else flows,
        access_token_validity=settings.access_token_minutes,
        id_token_validity=settings.access_token_minutes,
        refresh_token_validity=settings.refresh_token_days,
        token_validity_units={"access_token": "minutes", "id_token": "minutes", "refresh_token": "days"},
        prevent_user_existence_errors="ENABLED",
        enable_token_revocation=True,
        read_attributes=["email", "email_verified", "name"],
        # Not the address: with a stolen token it could be changed, and then the password by it.
        write_attributes=["name"],
        # A kept pool keeps its client: the page that still runs signs in with it.
        opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=args.protect_data),
    )
