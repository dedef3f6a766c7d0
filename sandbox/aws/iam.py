"""IAM roles, their policies and instance profiles. IAM is global: the region plays no part."""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

NAME_MAX = 64


def _text(document: Any) -> str:
    """A policy as text: boto3 has parsed it."""
    return document if isinstance(document, str) else json.dumps(document)


def _create_role(aws: Aws, inputs: Props) -> str:
    aws.client("iam").create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Tags=tag_list(inputs.get("tagsAll")),
        **present(
            Path=inputs.get("path"),
            Description=inputs.get("description"),
            MaxSessionDuration=inputs.get("maxSessionDuration"),
            PermissionsBoundary=inputs.get("permissionsBoundary"),
        ),
    )
    return inputs["name"]


def _attach(aws: Aws, id: str, inputs: Props) -> None:
    for arn in inputs.get("managedPolicyArns", ()):
        aws.client("iam").attach_role_policy(RoleName=id, PolicyArn=arn)


def _attached(aws: Aws, role: str) -> list[str]:
    pages = aws.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return sorted(one["PolicyArn"] for page in pages for one in page["AttachedPolicies"])


def _read_role(aws: Aws, id: str, last: Props) -> Props | None:
    iam = aws.client("iam")
    answer = found_or_none(iam.get_role, RoleName=id)
    if answer is None:
        return None
    role = answer["Role"]
    return {
        "arn": role["Arn"],
        "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
        "createDate": role["CreateDate"].isoformat(),
        "description": role.get("Description") or "",
        "managedPolicyArns": _attached(aws, id),
        "maxSessionDuration": role.get("MaxSessionDuration", 3600),
        "name": role["RoleName"],
        "path": role["Path"],
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        "uniqueId": role["RoleId"],
        "tagsAll": tag_map(iam.list_role_tags(RoleName=id)["Tags"]),
    }


def _update_role(aws: Aws, id: str, old: Props, new: Props) -> None:
    iam = aws.client("iam")
    if new["assumeRolePolicy"] != old.get("assumeRolePolicy"):
        iam.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])
    # moto sets both, so both are always given.
    iam.update_role(
        RoleName=id,
        Description=new.get("description") or "",
        MaxSessionDuration=new.get("maxSessionDuration") or 3600,
    )
    if new.get("permissionsBoundary") != old.get("permissionsBoundary"):
        if boundary := new.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=boundary)
        else:
            iam.delete_role_permissions_boundary(RoleName=id)
    # A list that is no longer declared leaves what is attached alone.
    if new.get("managedPolicyArns", old.get("managedPolicyArns")) != old.get("managedPolicyArns"):
        _attach(aws, id, new)
        for arn in set(_attached(aws, id)) - set(new["managedPolicyArns"]):
            iam.detach_role_policy(RoleName=id, PolicyArn=arn)
    retag(
        old,
        new,
        lambda tags: iam.tag_role(RoleName=id, Tags=tag_list(tags)),
        lambda keys: iam.untag_role(RoleName=id, TagKeys=keys),
    )


def _delete_role(aws: Aws, id: str, last: Props) -> None:
    """IAM refuses while anything hangs on the role. As in the official provider, profiles and the role's own
    `managedPolicyArns` let go by themselves, other policies with `forceDetachPolicies` only: they go first."""
    iam = aws.client("iam")
    for profile in iam.list_instance_profiles_for_role(RoleName=id)["InstanceProfiles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile["InstanceProfileName"], RoleName=id)
    if last.get("forceDetachPolicies"):
        for name in iam.list_role_policies(RoleName=id)["PolicyNames"]:
            iam.delete_role_policy(RoleName=id, PolicyName=name)
    for arn in _attached(aws, id):
        if last.get("forceDetachPolicies") or arn in last.get("managedPolicyArns", ()):
            iam.detach_role_policy(RoleName=id, PolicyArn=arn)
    iam.delete_role(RoleName=id)


def _split(id: str, mark: str) -> tuple[str, str]:
    role, _, rest = id.partition(mark)
    return role, rest


def _put_role_policy(aws: Aws, inputs: Props) -> str:
    aws.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{inputs['name']}"


def _read_role_policy(aws: Aws, id: str, last: Props) -> Props | None:
    role, name = _split(id, ":")
    found = found_or_none(aws.client("iam").get_role_policy, RoleName=role, PolicyName=name)
    return found and {"role": role, "name": name, "policy": _text(found["PolicyDocument"])}


def _update_role_policy(aws: Aws, id: str, old: Props, new: Props) -> None:
    _put_role_policy(aws, new)


def _delete_role_policy(aws: Aws, id: str, last: Props) -> None:
    role, name = _split(id, ":")
    aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


def _create_profile(aws: Aws, inputs: Props) -> str:
    aws.client("iam").create_instance_profile(
        InstanceProfileName=inputs["name"],
        Path=inputs.get("path") or "/",
        Tags=tag_list(inputs.get("tagsAll")),
    )
    return inputs["name"]


def _give_role(aws: Aws, id: str, inputs: Props) -> None:
    if role := inputs.get("role"):
        aws.client("iam").add_role_to_instance_profile(InstanceProfileName=id, RoleName=role)


def _read_profile(aws: Aws, id: str, last: Props) -> Props | None:
    iam = aws.client("iam")
    answer = found_or_none(iam.get_instance_profile, InstanceProfileName=id)
    if answer is None:
        return None
    profile = answer["InstanceProfile"]
    return {
        "arn": profile["Arn"],
        "createDate": profile["CreateDate"].isoformat(),
        "name": profile["InstanceProfileName"],
        "path": profile["Path"],
        "role": next((role["RoleName"] for role in profile["Roles"]), ""),
        "uniqueId": profile["InstanceProfileId"],
        "tagsAll": tag_map(profile.get("Tags")),
    }


def _update_profile(aws: Aws, id: str, old: Props, new: Props) -> None:
    iam = aws.client("iam")
    if old.get("role") != new.get("role"):
        _let_roles_go(aws, id)
        _give_role(aws, id, new)
    retag(
        old,
        new,
        lambda tags: iam.tag_instance_profile(InstanceProfileName=id, Tags=tag_list(tags)),
        lambda keys: iam.untag_instance_profile(InstanceProfileName=id, TagKeys=keys),
    )


def _let_roles_go(aws: Aws, id: str) -> None:
    iam = aws.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=id)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=id, RoleName=role["RoleName"])


def _delete_profile(aws: Aws, id: str, last: Props) -> None:
    _let_roles_go(aws, id)
    aws.client("iam").delete_instance_profile(InstanceProfileName=id)


def _create_attachment(aws: Aws, inputs: Props) -> str:
    aws.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}"


def _read_attachment(aws: Aws, id: str, last: Props) -> Props | None:
    role, arn = _split(id, "/")
    attached = found_or_none(_attached, aws=aws, role=role) or ()
    return {"role": role, "policyArn": arn} if arn in attached else None


def _delete_attachment(aws: Aws, id: str, last: Props) -> None:
    role, arn = _split(id, "/")
    aws.client("iam").detach_role_policy(RoleName=role, PolicyArn=arn)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:iam/role:Role",
            create=_create_role,
            read=_read_role,
            update=_update_role,
            delete=_delete_role,
            immutable=frozenset({"name", "path"}),
            autoname="name",
            autoname_max=NAME_MAX,
        ),
        takes="assumeRolePolicy description managedPolicyArns maxSessionDuration name path permissionsBoundary",
        keeps={"forceDetachPolicies": False},
        finish=_attach,
    ),
    faithful(
        ResourceType(
            token="aws:iam/rolePolicy:RolePolicy",
            create=_put_role_policy,
            read=_read_role_policy,
            update=_update_role_policy,
            delete=_delete_role_policy,
            immutable=frozenset({"name", "role"}),
            autoname="name",
            autoname_max=128,
        ),
        takes="name policy role",
    ),
    faithful(
        ResourceType(
            token="aws:iam/instanceProfile:InstanceProfile",
            create=_create_profile,
            read=_read_profile,
            update=_update_profile,
            delete=_delete_profile,
            immutable=frozenset({"name", "path"}),
            autoname="name",
            autoname_max=128,
        ),
        takes="name path role",
        finish=_give_role,
    ),
    faithful(
        ResourceType(
            token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            create=_create_attachment,
            read=_read_attachment,
            delete=_delete_attachment,
            immutable=frozenset({"policyArn", "role"}),
        ),
        takes="policyArn role",
    ),
)
