"""Writes an SSM parameter: arguments name and value. By Python alone, since a machine has something to tell before its
tools are installed, and what can fail is just that; besides, the aws command takes a second to start."""

import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
from urllib.request import Request, urlopen

METADATA = "http://169.254.169.254/latest/"
ROLE_KEYS = METADATA + "meta-data/iam/security-credentials/"
SIGNED = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"


def answer(request: Request) -> str:
    return urlopen(request, timeout=10).read().decode()  # noqa: S310  # AWS's own addresses


def keys() -> tuple[str, str, str]:
    """Id, secret and session token, the environment's (a test's, which have no session), else those of the machine's role."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], ""
    if os.environ.get("AWS_EC2_METADATA_DISABLED") == "true":
        sys.exit("Unable to locate credentials")
    try:
        return role_keys()
    except OSError as error:
        sys.exit(f"Unable to locate credentials: has the machine a role? {error}")


def role_keys() -> tuple[str, str, str]:
    seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    session = {
        "X-aws-ec2-metadata-token": answer(Request(METADATA + "api/token", headers=seconds, method="PUT"))  # noqa: S310
    }
    role = answer(Request(ROLE_KEYS, headers=session))  # noqa: S310
    told = json.loads(answer(Request(ROLE_KEYS + role, headers=session)))  # noqa: S310
    return told["AccessKeyId"], told["SecretAccessKey"], told["Token"]


def signed(url: str, body: bytes, region: str) -> Request:
    """The request with its signature, version 4
    (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)."""
    key_id, secret, token = keys()
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    values = ("application/x-amz-json-1.1", url.split("/")[2], now, token, "AmazonSSM.PutParameter")
    headers: dict[str, str] = dict(zip(SIGNED.split(";"), values, strict=False))
    listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{listed}\n{SIGNED}\n{hashlib.sha256(body).hexdigest()}"
    parts = [now[:8], region, "ssm", "aws4_request"]
    scope = "/".join(parts)
    key = f"AWS4{secret}".encode()
    for part in (
        *parts,
        f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}",
    ):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={SIGNED}, Signature={key.hex()}"
    )
    return Request(url, body, headers)  # noqa: S310


def main() -> None:
    name, value = sys.argv[1:]
    region = os.environ["AWS_REGION"]
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://ssm.{region}.amazonaws.com"
    body = json.dumps({"Name": name, "Type": "String", "Overwrite": True, "Value": value}).encode()
    try:
        answer(signed(f"{endpoint}/", body, region))
    except urllib.error.HTTPError as error:
        sys.exit(f"{error}: {error.read().decode()}")


if __name__ == "__main__":
    main()
