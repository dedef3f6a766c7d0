"""A job of GitHub's comes into the account: `python -m bootstrap.github_login ROLE_ARN --hours 2`.

Takes the job's own OIDC token to AWS and hands the short-lived keys to the steps after it, masked in the log. In place of a
third party's action, which would have to be trusted with the same.
"""

import argparse
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import boto3.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

AUDIENCE = "sts.amazonaws.com"
REGION = "us-east-1"
"""Where STS is asked; its keys hold everywhere. The stack's own Region stands in its file."""
LIMIT_S = 30.0
KEYS = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}


class NoLogin(Exception):
    """Why the job can't come in, and what to do."""


def job_token(environment: Mapping[str, str]) -> str:
    """The job's token for AWS. Raises NoLogin."""
    url, bearer = (environment.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not url or not bearer:
        raise NoLogin("GitHub gives this job no token: it needs `permissions: id-token: write`")
    request = urllib.request.Request(  # noqa: S310  # GitHub's own address, from the job's environment
        f"{url}&audience={AUDIENCE}", headers={"Authorization": f"Bearer {bearer}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            return str(json.load(answer)["value"])
    except (OSError, ValueError, KeyError) as error:
        raise NoLogin(f"GitHub's token for AWS could not be had: {error}") from error


def keys_of(role: str, hours: int, token: str, session_name: str) -> dict[str, str]:
    """Keys of the role by the names that AWS's tools read. Raises NoLogin."""
    connect = cast(Callable[..., Any], boto3.session.Session().client)  # no stubs
    sts = connect("sts", region_name=REGION, config=Config(signature_version=UNSIGNED))
    try:
        answer = sts.assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName=session_name,
            WebIdentityToken=token,
            DurationSeconds=hours * 3600,
        )
    except (BotoCoreError, ClientError) as error:
        raise NoLogin(
            f"AWS does not let this job take {role}: {error}\n"
            "The role trusts a pull request or the main branch (preview), or a job in the GitHub environment of its "
            "stack's name (deploy); a repository made since 2026-07-15 needs its ids in bootstrap/Pulumi.account.yaml"
        ) from error
    return {name: str(answer["Credentials"][key]) for name, key in KEYS.items()}


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Exit status 1, with what to do, when there is no way in."""
    options = argparse.ArgumentParser(prog="python -m bootstrap.github_login")
    options.add_argument("role")
    options.add_argument("--hours", type=int, default=1, choices=range(1, 13))
    given = options.parse_args(arguments)
    session_name = f"sd-app-{environment.get('GITHUB_RUN_ID', 'run')}"
    try:
        keys = keys_of(given.role, given.hours, job_token(environment), session_name)
    except NoLogin as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for value in keys.values():
        sys.stdout.write(f"::add-mask::{value}\n")
    sys.stdout.flush()
    with Path(environment["GITHUB_ENV"]).open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in keys.items())
    sys.stdout.write(f"signed in as {given.role.rpartition('/')[2]} for {given.hours} h\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
