"""How everything of a stack is called, as patterns of ARNs: what may be touched of one's own, and never of another's.

A stack's names begin with `sd-app-<stack>-`, with the dash, so that dev matches nothing of dev2. Pure functions.
"""

from dataclasses import dataclass

import contract
from bootstrap.configuration import Environment


@dataclass(frozen=True, kw_only=True)
class Names:
    """Patterns of one stack in one account. key_arn: the KMS key of its secrets."""

    stack: str
    account: str
    bucket_name: str
    state_bucket: str
    key_arn: str

    def arn(self, service: str, resource: str) -> str:
        """Something in this account, in whatever Region: CloudFront's alarm is in another one than the stack."""
        region = "" if service in ("iam", "budgets", "cloudfront") else "*"
        return f"arn:aws:{service}:{region}:{self.account}:{resource}"

    @property
    def prefix(self) -> str:
        """Beginning of its physical names, dash included."""
        return f"{contract.prefix(self.stack)}-"

    @property
    def roles(self) -> str:
        return self.arn("iam", f"role/{self.prefix}*")

    @property
    def boundary(self) -> str:
        """The policy that bounds all roles of the stack. Not of the stack's own prefix: it may not change it."""
        return self.arn("iam", f"policy/sd-app-boundary-{self.stack}")

    @property
    def bucket(self) -> list[str]:
        return [f"arn:aws:s3:::{self.bucket_name}", f"arn:aws:s3:::{self.bucket_name}/*"]

    @property
    def parameters(self) -> str:
        return self.arn("ssm", f"parameter{contract.parameter_path(self.stack, '*')}")

    @property
    def logs(self) -> str:
        return self.arn("logs", f"log-group:{contract.parameter_path(self.stack, '*')}")

    @property
    def notebooks(self) -> list[str]:
        """SageMaker writes names in ARNs small."""
        names = (contract.notebook_name(self.stack), contract.notebook_name(self.stack).lower())
        kinds = ("notebook-instance", "notebook-instance-lifecycle-config")
        return [self.arn("sagemaker", f"{kind}/{name}") for kind in kinds for name in names]

    @property
    def jobs(self) -> str:
        return self.arn("sagemaker", f"training-job/{contract.training_job_prefix(self.stack)}*")

    @property
    def alarms(self) -> list[str]:
        dashboards = f"arn:aws:cloudwatch::{self.account}:dashboard/{self.prefix}*"
        return [self.arn("cloudwatch", f"alarm:{self.prefix}*"), dashboards]

    @property
    def schedules(self) -> list[str]:
        groups, within = f"schedule-group/{self.prefix}*", f"schedule/{self.prefix}*"
        return [self.arn("scheduler", groups), self.arn("scheduler", within)]

    @property
    def plain(self) -> list[str]:
        """Of the services whose ARNs hold the name and nothing before it but a type."""
        return [
            self.arn("sqs", f"{self.prefix}*"),
            self.arn("sns", f"{self.prefix}*"),
            self.arn("dynamodb", f"table/{self.prefix}*"),
            self.arn("budgets", f"budget/{self.prefix}*"),
        ]

    @property
    def by_id(self) -> list[str]:
        """Of the services whose ARNs hold an id: the account's, of which the tag says whose each is."""
        kinds = {"cognito-idp": "userpool/*", "cloudfront": "distribution/*", "amplify": "apps/*"}
        return [self.arn(service, resource) for service, resource in kinds.items()]

    @property
    def state(self) -> list[str]:
        """Objects of its state: the state itself, its locks, its history and backups (Pulumi's own layout)."""
        project, stack = contract.PROJECT, self.stack
        keys = (
            f"stacks/{project}/{stack}.json*",
            f"locks/organization/{project}/{stack}/*",
            f"history/{project}/{stack}/*",
            f"backups/{project}/{stack}/*",
        )
        return [f"arn:aws:s3:::{self.state_bucket}/.pulumi/{key}" for key in keys]

    @property
    def everything(self) -> list[str]:
        """All that can be told to be the stack's by its name."""
        return [
            self.roles,
            self.arn("iam", f"instance-profile/{self.prefix}*"),
            self.boundary,
            *(self.arn("iam", f"role/{role_name(kind, self.stack)}") for kind in ("preview", "deploy")),
            *self.bucket,
            self.parameters,
            self.logs,
            *self.notebooks,
            self.jobs,
            *self.alarms,
            *self.schedules,
            *self.plain,
            *self.state,
            self.key_arn,
        ]


def role_name(kind: str, stack: str) -> str:
    """Name of a role that GitHub takes; outside the stack's own prefix, so that no deployment can change it."""
    return f"sd-app-github-{kind}-{stack}"


def names(environment: Environment, account: str, state_bucket: str, key_arn: str) -> Names:
    """The patterns of an environment."""
    return Names(
        stack=environment.name,
        account=account,
        bucket_name=environment.bucket_name,
        state_bucket=state_bucket,
        key_arn=key_arn,
    )
