"""The dead-letter queue: messages of the jobs that were given up on, looked at without losing one."""

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from ops.errors import AwsError
from ops.stack import Stack

HIDDEN_SECONDS = 120
"""While a command has the messages nobody else sees them; also the time after which they are back if it is killed."""
WAIT_SECONDS = 1
"""With a wait SQS asks all of its servers; without one it may miss messages."""
BATCH = 10
"""SQS's most in one call."""
MOST = 2_000
"""Messages that are looked at; a queue with more is cleared in several goes."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message of a job: which, why as the worker said it, since when. `job` is empty when the text is none of ours."""

    job: str
    kind: str
    reason: str
    sent: datetime
    receipt: str


@dataclass(kw_only=True)
class DeadLetters:
    """The messages that a command has. `more` when there are others that it didn't look at."""

    stack: Stack
    url: str
    letters: list[Letter] = field(default_factory=list[Letter])
    more: bool = False
    _removed: set[str] = field(default_factory=set[str], repr=False)

    def of(self, job: str) -> list[Letter]:
        """Those of a job: SQS may have delivered it twice."""
        return [one for one in self.letters if one.job == job]

    def remove(self, job: str) -> int:
        """Take a job's messages out of the queue for good; how many there were."""
        count = 0
        for batch in _batches(self.of(job)):
            entries = [{"Id": str(at), "ReceiptHandle": one.receipt} for at, one in enumerate(batch)]
            answer = self.stack.client("sqs").delete_message_batch(QueueUrl=self.url, Entries=entries)
            gone: list[Any] = answer.get("Successful", [])
            self._removed |= {batch[int(one["Id"])].receipt for one in gone}
            count += len(gone)
        return count

    def release(self) -> None:
        """Show the others again now."""
        left = [one for one in self.letters if one.receipt not in self._removed]
        for batch in _batches(left):
            entries = [
                {"Id": str(at), "ReceiptHandle": one.receipt, "VisibilityTimeout": 0}
                for at, one in enumerate(batch)
            ]
            self.stack.client("sqs").change_message_visibility_batch(QueueUrl=self.url, Entries=entries)


@contextmanager
def taken(stack: Stack, url: str) -> Generator[DeadLetters]:
    """All messages of the queue, for as long as the block lasts; what was not removed in it is back afterwards."""
    held = DeadLetters(stack=stack, url=url)
    try:
        _receive(held)
        yield held
    finally:
        with suppress(*AwsError):  # they come back by themselves when their time of being hidden is over
            held.release()


def _receive(held: DeadLetters) -> None:
    client = held.stack.client("sqs")
    while len(held.letters) < MOST:
        answer = client.receive_message(
            QueueUrl=held.url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        messages: list[Any] = answer.get("Messages", [])
        if not messages:
            return
        held.letters += map(_letter, messages)
    held.more = True


def _letter(message: Any) -> Letter:
    try:
        read = json.loads(message["Body"])
    except ValueError:
        read = None
    body = cast(dict[str, Any], read) if isinstance(read, dict) else dict[str, Any]()
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Letter(
        job=str(body.get("id") or ""),
        kind=str(body.get("kind") or ""),
        reason=str(body.get("reason") or ""),
        sent=datetime.fromtimestamp(sent, UTC),
        receipt=message["ReceiptHandle"],
    )


def _batches(letters: Iterable[Letter]) -> list[Sequence[Letter]]:
    every = list(letters)
    return [every[at : at + BATCH] for at in range(0, len(every), BATCH)]
