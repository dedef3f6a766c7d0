"""What can go wrong with AWS, in one line that says what to do."""

from typing import Any

from botocore import exceptions as aws

BAD = 1
"""Exit status: the answer is bad (something is broken, a file is refused, a machine did not get ready)."""
NO_ANSWER = 2
"""Exit status: wrong usage, or the stack could not be asked."""

AwsError = (aws.BotoCoreError, aws.ClientError)
"""Everything that boto3 raises about AWS."""


class OpsError(Exception):
    """A sentence for the person, and the exit status that it ends the command with."""

    def __init__(self, message: str, status: int = NO_ANSWER) -> None:
        super().__init__(message)
        self.status = status


EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "TokenRefreshRequired",
        "InvalidIdentityToken",
    }
)
UNKNOWN_KEYS = frozenset(
    {
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "AuthFailure",
        "IncompleteSignature",
    }
)
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "403",
        "Forbidden",
    }
)
GONE = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidInstanceID.Malformed",
        "InvalidInstanceID.NotFound",
        "NoSuchBucket",
        "NoSuchDistribution",
        "NoSuchKey",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
"""Codes with which services say that a resource does not exist."""
ADVICE = {
    "InsufficientInstanceCapacity": "AWS has no such machine free in this zone now; try again in some minutes",
    "VcpuLimitExceeded": "the account's quota of vCPUs is too small; raise it in Service Quotas (EC2, this Region)",
    "OptInRequired": "the Region or service is not switched on for this account",
    "RequestTimeTooSkewed": "this machine's clock is wrong; set it and try again",
    "SlowDown": "AWS asks to slow down; try again in a minute",
    "ThrottlingException": "AWS asks to slow down; try again in a minute",
    "Throttling": "AWS asks to slow down; try again in a minute",
    "RequestLimitExceeded": "AWS asks to slow down; try again in a minute",
}
LOG_IN = "log in again (`aws sso login`, or new keys), then repeat the command"


def code(error: Exception) -> str:
    """The service's error code, or an empty string when no service answered."""
    return _answer(error).get("Code", "") if isinstance(error, aws.ClientError) else ""


def _answer(error: aws.ClientError) -> dict[str, str]:
    response: Any = error.response
    return response.get("Error", {})


def is_gone(error: Exception) -> bool:
    """Whether the service says that the resource does not exist."""
    # SageMaker alone has no code for it.
    return code(error) in GONE or (code(error) == "ValidationException" and "RecordNotFound" in str(error))


def is_refusal(error: Exception) -> bool:
    """Whether asking again is useless: nobody is logged in, or may not do this."""
    return code(error) in EXPIRED | UNKNOWN_KEYS | DENIED or isinstance(
        error, aws.NoCredentialsError | aws.PartialCredentialsError | aws.TokenRetrievalError | aws.SSOError
    )


def explain(error: Exception) -> str:
    """An AWS error as one line: what was wrong, and what to do where that is known."""
    if isinstance(error, aws.ClientError):
        return _explain_answer(error)
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        return "no AWS credentials found: run `aws sso login` or `aws configure`, or set AWS_PROFILE"
    if isinstance(error, aws.TokenRetrievalError | aws.SSOError | aws.CredentialRetrievalError):
        return f"the AWS login is not valid any more ({_line(error)}): {LOG_IN}"
    if isinstance(error, aws.ProfileNotFound | aws.ConfigNotFound | aws.ConfigParseError):
        return f"{_line(error)}: set AWS_PROFILE (or the stack file's aws:profile) to one of `aws configure list-profiles`"
    if isinstance(error, aws.NoRegionError | aws.InvalidRegionError):
        return f"{_line(error)}: give --region, for example --region us-east-1"
    if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
        return f"AWS does not answer ({_line(error)}): is the network up, and the Region right?"
    return _line(error)


def _explain_answer(error: aws.ClientError) -> str:
    name, message = code(error), _line(_answer(error).get("Message", ""))
    what = f"{error.operation_name}: {name}"
    if name in EXPIRED:
        return f"the AWS login has expired ({what}): {LOG_IN}"
    if name in UNKNOWN_KEYS:
        return f"AWS does not accept these credentials ({what}): check AWS_PROFILE and AWS_ACCESS_KEY_ID, or log in again"
    if name in DENIED:
        # The message names who asked and what is missing; HEAD requests have none.
        said = message if message not in ("", "Forbidden") else "no right to do this"
        return f"not allowed ({what}): {said}; ask for this right, or use another AWS_PROFILE"
    if name in ADVICE:
        return f"{what}: {ADVICE[name]}"
    return f"{what}: {message}" if message else what


def _line(text: object) -> str:
    """Collapsed to one line of at most 300 characters: some servers answer with a page of HTML."""
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else f"{line[:299]}…"
