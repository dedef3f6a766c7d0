"""SNS topics, their policies and their subscriptions."""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

TOPIC = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
"""Input -> attribute of a topic."""
SUBSCRIPTION = {
    "deliveryPolicy": "DeliveryPolicy",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}
BOOLEANS = {"contentBasedDeduplication", "fifoTopic", "rawMessageDelivery"}
BY_HAND = {"email", "email-json", "sms", "http", "https"}
"""Protocols whose receiver must confirm. moto confirms all at once; nobody here can click the e-mail's link."""
DEFAULT_POLICY = "__default_policy_ID"


def _attribute(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(names: dict[str, str], attributes: dict[str, str]) -> Props:
    texts = {key: attributes.get(name, "") for key, name in names.items()}
    return {key: text == "true" if key in BOOLEANS else text for key, text in texts.items()}


def _create_topic(aws: Aws, inputs: Props) -> str:
    attributes = {name: _attribute(inputs[key]) for key, name in TOPIC.items() if inputs.get(key)}
    made = aws.client("sns").create_topic(
        Name=inputs["name"], Attributes=attributes, Tags=tag_list(inputs.get("tagsAll"))
    )
    return made["TopicArn"]


def _topic(aws: Aws, arn: str) -> dict[str, str] | None:
    found = found_or_none(aws.client("sns").get_topic_attributes, TopicArn=arn)
    return found and found["Attributes"]


def _read_topic(aws: Aws, id: str, last: Props) -> Props | None:
    attributes = _topic(aws, id)
    if attributes is None:
        return None
    return {
        **_shown(TOPIC, attributes),
        "arn": id,
        "name": id.rsplit(":", 1)[1],
        "owner": attributes.get("Owner") or aws.account,
        "signatureVersion": int(attributes.get("SignatureVersion") or 0),
        "tagsAll": tag_map(aws.client("sns").list_tags_for_resource(ResourceArn=id)["Tags"]),
    }


def _update_topic(aws: Aws, id: str, old: Props, new: Props) -> None:
    sns = aws.client("sns")
    for key, name in TOPIC.items():
        if new.get(key) != old.get(key):
            value = _attribute(new.get(key, ""))
            sns.set_topic_attributes(TopicArn=id, AttributeName=name, AttributeValue=value)
    retag(
        old,
        new,
        lambda tags: sns.tag_resource(ResourceArn=id, Tags=tag_list(tags)),
        lambda keys: sns.untag_resource(ResourceArn=id, TagKeys=keys),
    )


def _delete_topic(aws: Aws, id: str, last: Props) -> None:
    aws.client("sns").delete_topic(TopicArn=id)


def _subscribe(aws: Aws, inputs: Props) -> str:
    attributes = {name: _attribute(inputs[key]) for key, name in SUBSCRIPTION.items() if inputs.get(key)}
    made = aws.client("sns").subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        ReturnSubscriptionArn=True,
        **present(Attributes=attributes or None),
    )
    return made["SubscriptionArn"]


def _read_subscription(aws: Aws, id: str, last: Props) -> Props | None:
    answer = found_or_none(aws.client("sns").get_subscription_attributes, SubscriptionArn=id)
    if answer is None:
        return None
    found = answer["Attributes"]
    confirms_itself = found["Protocol"] not in BY_HAND
    return {
        **_shown(SUBSCRIPTION, found),
        "arn": id,
        "confirmationWasAuthenticated": confirms_itself,
        "endpoint": found["Endpoint"],
        "ownerId": found.get("Owner") or aws.account,
        "pendingConfirmation": not confirms_itself,
        "protocol": found["Protocol"],
        "topic": found["TopicArn"],
    }


def _update_subscription(aws: Aws, id: str, old: Props, new: Props) -> None:
    for key, name in SUBSCRIPTION.items():
        if new.get(key) != old.get(key):
            value = _attribute(new.get(key, ""))
            aws.client("sns").set_subscription_attributes(
                SubscriptionArn=id, AttributeName=name, AttributeValue=value
            )


def _unsubscribe(aws: Aws, id: str, last: Props) -> None:
    aws.client("sns").unsubscribe(SubscriptionArn=id)


def _put_policy(aws: Aws, inputs: Props) -> str:
    aws.client("sns").set_topic_attributes(
        TopicArn=inputs["arn"], AttributeName="Policy", AttributeValue=inputs["policy"]
    )
    return inputs["arn"]


def _read_policy(aws: Aws, id: str, last: Props) -> Props | None:
    text = (_topic(aws, id) or {}).get("Policy")
    if not text or json.loads(text).get("Id") == DEFAULT_POLICY:
        return None
    return {"arn": id, "owner": aws.account, "policy": text}


def _update_policy(aws: Aws, id: str, old: Props, new: Props) -> None:
    _put_policy(aws, new)


def _delete_policy(aws: Aws, id: str, last: Props) -> None:
    """A topic always has a policy: the one it was made with comes back."""
    if _topic(aws, id) is None:
        return
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [
            f"SNS:{verb}"
            for verb in (
                "GetTopicAttributes",
                "SetTopicAttributes",
                "AddPermission",
                "RemovePermission",
                "DeleteTopic",
                "Subscribe",
                "ListSubscriptionsByTopic",
                "Publish",
            )
        ],
        "Resource": id,
        "Condition": {"StringEquals": {"AWS:SourceOwner": aws.account}},
    }
    document = {"Version": "2008-10-17", "Id": DEFAULT_POLICY, "Statement": [statement]}
    _put_policy(aws, {"arn": id, "policy": json.dumps(document)})


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:sns/topic:Topic",
            create=_create_topic,
            read=_read_topic,
            update=_update_topic,
            delete=_delete_topic,
            immutable=frozenset({"fifoTopic", "name"}),
            autoname="name",
            autoname_max=256,
        ),
        takes=f"name {' '.join(TOPIC)}",
    ),
    faithful(
        ResourceType(
            token="aws:sns/topicSubscription:TopicSubscription",
            create=_subscribe,
            read=_read_subscription,
            update=_update_subscription,
            delete=_unsubscribe,
            immutable=frozenset({"endpoint", "protocol", "topic"}),
        ),
        takes=f"endpoint protocol topic {' '.join(SUBSCRIPTION)}",
        keeps={"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False},
    ),
    faithful(
        ResourceType(
            token="aws:sns/topicPolicy:TopicPolicy",
            create=_put_policy,
            read=_read_policy,
            update=_update_policy,
            delete=_delete_policy,
            immutable=frozenset({"arn"}),
        ),
        takes="arn policy",
    ),
)
