"""Amplify apps, branches, domains and webhooks. moto has no Amplify: all of it lives in the store.

Nothing is cloned, built or served. An app's tokens are never kept: the store holds their digests.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.faithful import faithful
from sandbox.aws.table import Aws, Props, ResourceType

NewId = Callable[[Aws, Props], str]
Computed = Callable[[Aws, str, Props], Props]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A type that is a record of the store. defaults: every input but the secret ones, with Amplify's own value."""

    token: str
    new_id: NewId
    computed: Computed
    """Aws, id and record -> what Amplify adds."""
    defaults: Props
    secret: tuple[str, ...] = ()
    immutable: frozenset[str] = frozenset()
    autoname: str | None = None
    keeps: Props = field(default_factory=dict[str, Any])

    @property
    def kind(self) -> str:
        """Name of the records in the store."""
        return f"{self.token} record"


def _key(aws: Aws, id: str) -> str:
    return f"{aws.region} {id}"


def _resource(record: Record) -> ResourceType:
    def save(aws: Aws, id: str, props: Props) -> None:
        known = {key: props[key] for key in (*record.defaults, "tagsAll") if key in props}
        aws.store.put(record.kind, _key(aws, id), known)

    def create(aws: Aws, inputs: Props) -> str:
        id = record.new_id(aws, inputs)
        if aws.store.get(record.kind, _key(aws, id)) is not None:
            raise ValueError(f"{record.token}: {id} exists already; choose another name")
        save(aws, id, inputs)
        return id

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        found = aws.store.get(record.kind, _key(aws, id))
        if found is None:
            return None
        whole: Props = {**record.defaults, "tagsAll": {}, **found}
        return {**whole, **record.computed(aws, id, whole)}

    def update(aws: Aws, id: str, old: Props, new: Props) -> None:
        save(aws, id, new)

    def delete(aws: Aws, id: str, last: Props) -> None:
        aws.store.delete(record.kind, _key(aws, id))
        if record is APP:
            _delete_parts(aws, id)

    base = ResourceType(
        token=record.token,
        create=create,
        read=read,
        update=update,
        delete=delete,
        immutable=record.immutable,
        autoname=record.autoname,
    )
    return faithful(
        base,
        takes=" ".join([*record.defaults, *record.secret]),
        keeps=record.keeps,
        secret=record.secret,
    )


def _delete_parts(aws: Aws, app: str) -> None:
    """What hangs on an app goes with it."""
    for part in PARTS:
        for key, found in aws.store.all(part.kind).items():
            if found["appId"] == app and key.startswith(f"{aws.region} "):
                aws.store.delete(part.kind, key)


def _arn(aws: Aws, path: str) -> str:
    return f"arn:aws:amplify:{aws.region}:{aws.account}:apps/{path}"


def _require_app(aws: Aws, inputs: Props) -> str:
    app = inputs["appId"]
    if aws.store.get(APP.kind, _key(aws, app)) is None:
        raise ValueError(f"aws:amplify: there is no app {app}; create it first")
    return app


def _require_branch(aws: Aws, app: str, branch: str) -> None:
    if aws.store.get(BRANCH.kind, _key(aws, f"{app}/{branch}")) is None:
        raise ValueError(f"aws:amplify: app {app} has no branch {branch}; create it first")


def _new_app(aws: Aws, inputs: Props) -> str:
    if inputs.get("repository") and not (inputs.get("accessToken") or inputs.get("oauthToken")):
        raise ValueError(
            f"aws:amplify/app:App {inputs['name']}: repository needs accessToken (GitHub) or oauthToken"
        )
    return f"d{uuid.uuid4().hex[:13]}"


def _app_outputs(aws: Aws, id: str, record: Props) -> Props:
    return {"arn": _arn(aws, id), "defaultDomain": f"{id}.amplifyapp.com", "productionBranches": []}


def _new_branch(aws: Aws, inputs: Props) -> str:
    return f"{_require_app(aws, inputs)}/{inputs['branchName']}"


def _branch_outputs(aws: Aws, id: str, record: Props) -> Props:
    return {
        "arn": _arn(aws, f"{record['appId']}/branches/{record['branchName']}"),
        "associatedResources": [],
        "customDomains": [],
        "destinationBranch": "",
        "displayName": record["displayName"] or record["branchName"].replace("/", "-"),
        "sourceBranch": "",
    }


def _new_domain(aws: Aws, inputs: Props) -> str:
    app = _require_app(aws, inputs)
    for part in inputs["subDomains"]:
        _require_branch(aws, app, part["branchName"])
    return f"{app}/{inputs['domainName']}"


def _domain_outputs(aws: Aws, id: str, record: Props) -> Props:
    domain = record["domainName"]
    return {
        "arn": _arn(aws, f"{record['appId']}/domains/{domain}"),
        "certificateVerificationDnsRecord": f"_{uuid.uuid5(uuid.NAMESPACE_DNS, id).hex}.{domain}. CNAME sandbox.acm-validations.aws.",
    }


def _new_webhook(aws: Aws, inputs: Props) -> str:
    _require_branch(aws, _require_app(aws, inputs), inputs["branchName"])
    return str(uuid.uuid4())


def _webhook_outputs(aws: Aws, id: str, record: Props) -> Props:
    return {
        "arn": _arn(aws, f"{record['appId']}/webhooks/{id}"),
        "url": f"https://webhooks.amplify.{aws.region}.amazonaws.com/prod/webhooks?id={id}&token=sandbox&operation=startbuild",
    }


APP = Record(
    token="aws:amplify/app:App",
    new_id=_new_app,
    computed=_app_outputs,
    defaults={
        "autoBranchCreationConfig": None,
        "autoBranchCreationPatterns": [],
        "buildSpec": "",
        "cacheConfig": {"type": "AMPLIFY_MANAGED"},
        "computeRoleArn": "",
        "customHeaders": "",
        "customRules": [],
        "description": "",
        "enableAutoBranchCreation": False,
        "enableBasicAuth": False,
        "enableBranchAutoBuild": False,
        "enableBranchAutoDeletion": False,
        "environmentVariables": {},
        "iamServiceRoleArn": "",
        "jobConfig": {"buildComputeType": "STANDARD_8GB"},
        "name": "",
        "platform": "WEB",
        "repository": "",
    },
    secret=("accessToken", "basicAuthCredentials", "oauthToken"),
    autoname="name",
)
BRANCH = Record(
    token="aws:amplify/branch:Branch",
    new_id=_new_branch,
    computed=_branch_outputs,
    defaults={
        "appId": "",
        "backendEnvironmentArn": "",
        "branchName": "",
        "description": "",
        "displayName": "",
        "enableAutoBuild": True,
        "enableBasicAuth": False,
        "enableNotification": False,
        "enablePerformanceMode": False,
        "enablePullRequestPreview": False,
        "enableSkewProtection": False,
        "environmentVariables": {},
        "framework": "",
        "pullRequestEnvironmentName": "",
        "stage": "NONE",
        "ttl": "5",
    },
    secret=("basicAuthCredentials",),
    immutable=frozenset({"appId", "branchName"}),
)
DOMAIN = Record(
    token="aws:amplify/domainAssociation:DomainAssociation",
    new_id=_new_domain,
    computed=_domain_outputs,
    defaults={
        "appId": "",
        "certificateSettings": {"type": "AMPLIFY_MANAGED"},
        "domainName": "",
        "enableAutoSubDomain": False,
        "subDomains": [],
    },
    immutable=frozenset({"appId", "domainName"}),
    keeps={"waitForVerification": True},
)
WEBHOOK = Record(
    token="aws:amplify/webhook:Webhook",
    new_id=_new_webhook,
    computed=_webhook_outputs,
    defaults={"appId": "", "branchName": "", "description": ""},
    immutable=frozenset({"appId"}),
)
PARTS = (BRANCH, DOMAIN, WEBHOOK)

RESOURCES = tuple(_resource(record) for record in (APP, *PARTS))
