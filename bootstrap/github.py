"""How GitHub's jobs come into the account: by short-lived tokens, into roles of one stack each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from bootstrap import rights
from bootstrap.configuration import Environment
from bootstrap.names import Names, names, role_name

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
HOURS = {"preview": 1, "deploy": 3}
"""Longest session: a deployment waits for machines, for up to 40 minutes each, and for the page."""
Statements = list[dict[str, Any]]
Make = Callable[[Names, Sequence[Names]], Statements]
"""Statements from the names of the stack and of the others."""


@dataclass(frozen=True, kw_only=True)
class GithubArgs:
    """The repository's beginnings of `sub`, its main branch, and each stack with the key of its secrets."""

    account: str
    subjects: Sequence[str]
    branch: str
    state_bucket: str
    environments: Sequence[Environment]
    key_arns: Mapping[str, pulumi.Output[str]]


class Github(pulumi.ComponentResource):
    """Two roles a stack: pull requests and the main branch may see it; a job in the GitHub environment of its name may
    change it. Neither reaches another stack, nor can make a role that does."""

    preview_role_arns: dict[str, pulumi.Output[str]]
    deploy_role_arns: dict[str, pulumi.Output[str]]
    boundary_arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: GithubArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:bootstrap:Github", name, None, opts)
        self._base, self._given = name, args
        # No thumbprints: AWS has GitHub's roots itself.
        self._oidc = aws.iam.OpenIdConnectProvider(
            name,
            url=ISSUER,
            client_id_lists=[AUDIENCE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.preview_role_arns, self.deploy_role_arns, self.boundary_arns = {}, {}, {}
        for one in args.environments:
            stack = one.name
            self.boundary_arns[stack] = self._create_boundary(stack)
            self.preview_role_arns[stack] = self._create_preview(stack)
            self.deploy_role_arns[stack] = self._create_deploy(stack)
        self.register_outputs(
            {
                "preview_role_arns": self.preview_role_arns,
                "deploy_role_arns": self.deploy_role_arns,
                "boundary_arns": self.boundary_arns,
            }
        )

    def _create_boundary(self, stack: str) -> pulumi.Output[str]:
        return self._policy(stack, "boundary", rights.boundary, name=f"sd-app-boundary-{stack}").arn

    def _create_preview(self, stack: str) -> pulumi.Output[str]:
        args = self._given
        who = [
            f"{begin}:{what}"
            for begin in args.subjects
            for what in ("pull_request", f"ref:refs/heads/{args.branch}")
        ]
        parts: dict[str, Make] = {
            "preview-see": lambda own, others: rights.preview(own),
            "preview-guard": rights.guard,
        }
        return self._create_role(stack, "preview", who, parts)

    def _create_deploy(self, stack: str) -> pulumi.Output[str]:
        who = [f"{begin}:environment:{stack}" for begin in self._given.subjects]
        parts: dict[str, Make] = {
            "deploy-by-name": lambda own, others: rights.deploy_by_name(own),
            "deploy-by-tag": lambda own, others: rights.deploy_by_tag(own),
            "deploy-state": lambda own, others: [*rights.read_state(own), *rights.write_state(own)],
            "deploy-guard": rights.guard,
        }
        return self._create_role(stack, "deploy", who, parts)

    def _create_role(
        self,
        stack: str,
        kind: str,
        who: Sequence[str],
        parts: Mapping[str, Make],
    ) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._base}-{kind}-{stack}",
            name=role_name(kind, stack),
            description=f"GitHub's jobs: {kind} of sd-app {stack}",
            max_session_duration=HOURS[kind] * 3600,
            assume_role_policy=self._oidc.arn.apply(lambda arn: _document(rights.trust(arn, who))),
            tags={"Stack": stack},
            opts=pulumi.ResourceOptions(parent=self),
        )
        for part, make in parts.items():
            aws.iam.RolePolicyAttachment(
                f"{self._base}-{part}-{stack}",
                role=role.name,
                policy_arn=self._policy(stack, part, make).arn,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return role.arn

    def _policy(
        self,
        stack: str,
        part: str,
        make: Make,
        name: str | None = None,
    ) -> aws.iam.Policy:
        """A policy of its own for each part: one alone has room for 6144 characters, and inline ones share 10240."""
        args = self._given
        known = pulumi.Output.all(**args.key_arns)

        def document(keys: Mapping[str, str]) -> str:
            all_names = [
                names(one, args.account, args.state_bucket, str(keys[one.name])) for one in args.environments
            ]
            [own] = [one for one in all_names if one.stack == stack]
            return _document(make(own, [one for one in all_names if one.stack != stack]))

        return aws.iam.Policy(
            f"{self._base}-{part}-{stack}",
            name=name,
            policy=known.apply(document),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _document(statements: Statements) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
