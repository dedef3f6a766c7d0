"""`ops jobs list` and `ops jobs show`: what waits, runs and failed. Nothing but `show` tells a prompt."""

import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import contract
from ops import job_records as records
from ops.dead_letters import Letter, taken
from ops.errors import BAD, OpsError
from ops.job_records import FAILED, Job, Place, job_id, place_of, unknown
from ops.show import age, as_json, console, counted, table
from ops.stack import Stack

DAYS = 7


@dataclass(frozen=True, kw_only=True)
class ListArgs:
    """Which to list: of a state, of a kind; `days`: how far back finished ones go; `every`: all there are."""

    state: str | None = None
    kind: str | None = None
    days: int = DAYS
    every: bool = False


def show_list(stack: Stack, args: ListArgs, *, json: bool) -> int:
    """What waits and runs, by kind; what failed lately, and why; dead letters of jobs that have not failed."""
    place = place_of(stack)
    jobs = _listed(place, args)
    with taken(stack, place.dead) as held:
        letters, more = list(held.letters), held.more
    known = records.states(stack, place.table, (one.job for one in letters if one.job))
    strays = [] if args.state else _strays(letters, known, args.kind)
    dead = {one.job for one in letters}
    if json:
        as_json(
            {
                "jobs": [{**_told(job), "deadLetter": job.id in dead} for job in jobs],
                "strayDeadLetters": [_told_stray(one, known.get(one.job)) for one in strays],
                "deadLettersCut": more,
            }
        )
        return 0
    _print_jobs(jobs, args)
    _print_strays(strays, known)
    if more:
        console().print(f"only the first {counted(len(letters), 'dead letter')} were looked at")
    return 0


def show_one(stack: Stack, id: str, *, json: bool) -> int:
    """The whole record of a job, prompt and recipe too, and whether it has a dead letter."""
    place, id = place_of(stack), job_id(id)
    record = records.get(stack, place.table, id)
    if record is None:
        raise OpsError(unknown(id), BAD)
    if isinstance(record.get("recipe"), str):
        record["recipe"] = json_text.loads(record["recipe"])  # the backend keeps it as JSON text
    with taken(stack, place.dead) as held:
        record["deadLetters"] = len(held.of(id))
    if json:
        as_json(record)
        return 0
    out = console()
    for key, value in sorted(record.items()):
        text = value if isinstance(value, str) else json_text.dumps(value, indent=2, ensure_ascii=False)
        out.print(f"{key}: {text}", soft_wrap=True)
    return 0


def _listed(place: Place, args: ListArgs) -> list[Job]:
    kinds = (args.kind,) if args.kind else contract.KINDS
    if args.state:
        states = (args.state,)
    else:
        states = records.STATES if args.every else (*contract.UNFINISHED_STATES, FAILED)
    found = (
        [job for job in records.unfinished(place.stack, place.table, kinds) if job.state in states]
        if set(states) & set(contract.UNFINISHED_STATES)
        else []
    )
    ended = [state for state in states if state in contract.FINAL_STATES]
    if ended:
        since = None if args.every else datetime.now(UTC) - timedelta(days=args.days)
        found += records.scan(place.stack, place.table, ended, kinds, since)
    return found


def _strays(letters: Sequence[Letter], known: Mapping[str, Job], kind: str | None) -> list[Letter]:
    """Letters of jobs whose record doesn't say failed: one that waits would wait for ever."""

    def of_kind(letter: Letter) -> bool:
        record = known.get(letter.job)
        return kind is None or (record.kind if record else letter.kind) in (kind, "")

    return [
        one for one in letters if of_kind(one) and (one.job not in known or known[one.job].state != FAILED)
    ]


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "owner": job.owner,
        "createdAt": job.created,
        "updatedAt": job.changed,
        "attempts": job.attempts,
        "worker": job.worker or None,
        "error": {"code": job.error_code, "message": job.error} if job.error_code or job.error else None,
    }


def _told_stray(letter: Letter, job: Job | None) -> dict[str, Any]:
    return {
        "id": letter.job or None,
        "state": job.state if job else None,
        "kind": (job.kind if job else letter.kind) or None,
        "reason": letter.reason or None,
        "sentAt": letter.sent,
        "advice": _advice(letter, job),
    }


def _advice(letter: Letter, job: Job | None) -> str:
    if not letter.job:
        return "not a message of ours; it goes by itself after 14 days"
    if job is None:
        return f"no such record any more: ops jobs dismiss {letter.job}"
    if job.state in contract.UNFINISHED_STATES:
        return f"its record still waits: ops jobs retry {letter.job}, or fail"
    return f"has ended by now: ops jobs dismiss {letter.job}"


def _print_jobs(jobs: Sequence[Job], args: ListArgs) -> None:
    if args.state not in contract.FINAL_STATES:
        for kind in (args.kind,) if args.kind else contract.KINDS:
            _print_unfinished(
                kind, [job for job in jobs if job.kind == kind and job.state in contract.UNFINISHED_STATES]
            )
    if args.state not in contract.UNFINISHED_STATES:
        what = args.state or ("ended" if args.every else FAILED)
        when = "" if args.every else f" in the last {counted(args.days, 'day')}"
        _print_ended(f"{what}{when}", [job for job in jobs if job.state in contract.FINAL_STATES])


def _print_unfinished(kind: str, jobs: Sequence[Job]) -> None:
    out = console()
    out.print(f"{kind}: {counted(len(jobs), 'job')}" if jobs else f"{kind}: none")
    if jobs:
        rows = table("Id", "State", "Age", "Tries", "Worker")
        for job in jobs:
            rows.add_row(job.id, job.state, age(job.created), str(job.attempts), job.worker)
        out.print(rows)


def _print_ended(what: str, jobs: Sequence[Job]) -> None:
    out = console()
    out.print(f"{what}: {counted(len(jobs), 'job')}" if jobs else f"{what}: none")
    if jobs:
        rows = table("Id", "Kind", "Age", "State and reason")
        rows.columns[0].no_wrap = True
        for job in jobs:
            rows.add_row(job.id, job.kind, age(job.changed or job.created), _why(job))
        out.print(rows)


def _why(job: Job) -> str:
    return ": ".join(text for text in (job.state, job.error) if text)


def _print_strays(strays: Sequence[Letter], known: Mapping[str, Job]) -> None:
    if not strays:
        return
    out = console()
    out.print("\ndead letters whose job has not failed:", style="bold red")
    for one in strays:
        job = known.get(one.job)
        said = f" ({one.reason})" if one.reason else ""
        state = job.state if job else "no record"
        out.print(
            f"  {one.job or 'unreadable'}  {state}, {age(one.sent)} old{said}; {_advice(one, job)}",
            soft_wrap=True,
        )
