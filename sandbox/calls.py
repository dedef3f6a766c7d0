"""What a request to AWS asks for, as far as it can be told before it is answered."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
READS = ("Get", "Head", "List", "Describe", "GET", "HEAD")

S3_OBJECT = {
    "GET": (("uploadId", "ListParts"), ("tagging", "GetObjectTagging"), ("", "GetObject")),
    "HEAD": (("", "HeadObject"),),
    "PUT": (("partNumber", "UploadPart"), ("tagging", "PutObjectTagging"), ("", "PutObject")),
    "POST": (("uploads", "CreateMultipartUpload"), ("uploadId", "CompleteMultipartUpload")),
    "DELETE": (("uploadId", "AbortMultipartUpload"), ("", "DeleteObject")),
}
S3_BUCKET = {
    "GET": (("list-type", "ListObjectsV2"), ("versions", "ListObjectVersions")),
    "HEAD": (("", "HeadBucket"),),
    "PUT": (("", "CreateBucket"),),
    "POST": (("delete", "DeleteObjects"),),
    "DELETE": (("", "DeleteBucket"),),
}
"""S3's actions by method and by a word of the query, of S3's API reference; the first that fits."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """Service and action, empty when unknown; the EC2 instances or the key of S3 that it names.

    CloudFront's actions are told by their HTTP method alone.
    """

    service: str
    action: str
    instances: list[str] = field(default_factory=list[str])
    key: str = ""

    @property
    def writes(self) -> bool:
        """Whether it may change something; also of what isn't known."""
        return not self.action.startswith(READS)


def read_call(environ: Environ) -> Call:
    """The call of a request, by its signature, its headers, and for EC2 its body, which stays to be read."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope.group(1) if scope else ""
    if service == "s3":
        bucket, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        return Call(service=service, action=_s3_action(environ, bucket, key), key=key)
    if service == "ec2":
        form = parse_qs(body_of(environ).decode(errors="replace"))
        instances = [
            value for key, values in form.items() if key.startswith("InstanceId") for value in values
        ]
        return Call(service=service, action=form.get("Action", [""])[0], instances=instances)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    return Call(service=service, action=target.rpartition(".")[2] if target else environ["REQUEST_METHOD"])


def body_of(environ: Environ) -> bytes:
    """The body, which stays to be read by whoever comes after."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _s3_action(environ: Environ, bucket: str, key: str) -> str:
    """Of a path-style address, which is what SDKs use for an endpoint that is an IP address."""
    method = environ["REQUEST_METHOD"]
    if not bucket:
        return "ListBuckets"
    words = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if key and method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "UploadPartCopy" if "partNumber" in words else "CopyObject"
    known = (S3_OBJECT if key else S3_BUCKET).get(method, ())
    return next((action for word, action in known if not word or word in words), "")
