"""What the account has before the first stack: the state's bucket and keys, and GitHub's roles (README: Bootstrap)."""

import sys
from pathlib import Path

import pulumi
import pulumi_aws as aws

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # names and settings are the platform's own

import contract
from bootstrap.configuration import ConfigurationError, parse
from bootstrap.github import Github, GithubArgs
from bootstrap.state import State, StateArgs

try:
    settings = parse(dict(pulumi.runtime.config.CONFIG.get()))
except ConfigurationError as error:
    raise pulumi.RunError(f"{error} (nothing was created or changed)") from error

provider = aws.Provider(
    "aws",
    region=settings.region,
    default_tags={"tags": {contract.TAG_PROJECT: contract.PROJECT, "ManagedBy": "pulumi"}},
)
on_aws = pulumi.ResourceOptions(provider=provider)
stacks = [one.name for one in settings.environments]

state = State("sd-app-state", StateArgs(bucket_name=settings.state_bucket, stacks=stacks), on_aws)
github = Github(
    "sd-app-github",
    GithubArgs(
        account=aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=provider)).account_id,
        subjects=settings.subjects,
        branch=settings.branch,
        state_bucket=settings.state_bucket,
        environments=settings.environments,
        key_arns=state.key_arns,
    ),
    on_aws,
)
pulumi.export("backend", f"s3://{settings.state_bucket}?region={settings.region}")
pulumi.export(
    "secretsProviders", {one: f"awskms://alias/sd-app-{one}?region={settings.region}" for one in stacks}
)
pulumi.export("previewRoles", github.preview_role_arns)
pulumi.export("deployRoles", github.deploy_role_arns)
pulumi.export("roleBoundaries", github.boundary_arns)
