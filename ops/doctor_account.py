"""Who is asking, whether the stack may be deployed there, and whether its Region is switched on."""

from __future__ import annotations

from ops.doctor_finding import Check, Finding, Ground, ask, bad, good, unseen
from ops.errors import AwsError, explain

CREDENTIALS = "credentials"
ENABLED = ("opt-in-not-required", "opted-in")
ALWAYS_ON = "us-east-1"
"""A Region that is switched off does not answer for itself."""
SWITCH_ON = "https://console.aws.amazon.com/billing/home#/account"


def credentials(ground: Ground) -> Finding:
    """Whose they are. No right is needed to ask (STS GetCallerIdentity). Never raises AwsError."""
    try:
        caller = ask(ground.stack, "sts", "get_caller_identity")
    except AwsError as error:
        return bad(
            CREDENTIALS, explain(error), "`aws sts get-caller-identity` shows whether they work; then again"
        )
    account, who = caller["Account"], str(caller["Arn"]).rpartition(":")[2]
    allowed = ground.settings.aws.allowed_account_ids
    if allowed and account not in allowed:
        return bad(
            CREDENTIALS,
            f"account {account} ({who}) is none of aws:allowedAccountIds: {', '.join(allowed)}",
            "use the credentials of the right account (AWS_PROFILE), or correct the stack file",
        )
    told = "the allowed one" if allowed else "aws:allowedAccountIds is not set: any would be taken"
    return good(CREDENTIALS, f"account {account}, {who}; {told}")


def _region(ground: Ground) -> list[Finding]:
    name = ground.settings.aws.region
    found = ask(
        ground.stack, "ec2", "describe_regions", region=ALWAYS_ON, RegionNames=[name], AllRegions=True
    )["Regions"]
    if not found:
        return [unseen("region", f"AWS knows no {name}")]
    status = found[0].get("OptInStatus", ENABLED[0])
    if status in ENABLED:
        return [good("region", f"{name} is switched on")]
    return [
        bad(
            "region",
            f"{name} is not switched on for this account ({status})",
            f"switch it on at {SWITCH_ON} (takes minutes to hours), or choose another aws:region",
        )
    ]


CHECKS = (Check(name="region", look=_region),)
