"""`python -m components.amplify_build APP BRANCH --minutes N`: build a branch at Amplify and wait until it is live.

Exit status 0 when the build succeeded, 1 when it failed, was cancelled or took too long; the message names the job,
its failed step and where its log lies.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import boto3

POLL_SECONDS = 10.0
RUNNING = ("CREATED", "PENDING", "PROVISIONING", "RUNNING", "CANCELLING")
"""States of a job that may still change (Amplify API, JobSummary.status)."""


def build(
    amplify: Any,
    app: str,
    branch: str,
    minutes: float,
    say: Callable[[str], object],
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Start a job and follow it; the exit status."""
    deadline, told = clock() + minutes * 60, ""
    _stop_others(amplify, app, branch)
    while _under_way(amplify, app, branch) and clock() < deadline:
        pause(POLL_SECONDS)
    started = amplify.start_job(
        appId=app, branchName=branch, jobType="RELEASE", jobReason="the page's config changed (pulumi up)"
    )
    job = started["jobSummary"]["jobId"]
    say(f"Amplify builds {branch} of {app}: job {job}")
    while True:
        answer = amplify.get_job(appId=app, branchName=branch, jobId=job)["job"]
        status = answer["summary"]["status"]
        if status not in RUNNING:
            break
        step = next((s["stepName"] for s in answer.get("steps", []) if s["status"] in RUNNING), status)
        if step != told:
            say(f"  {step}")
            told = step
        if clock() >= deadline:
            say(f"job {job} is not done after {minutes:g} minutes (now: {step}); it goes on at Amplify")
            return 1
        pause(POLL_SECONDS)
    if status == "SUCCEED":
        say(f"job {job} succeeded")
        return 0
    say(f"job {job} ended as {status}{_where(answer.get('steps', []))}")
    return 1


def _where(steps: list[dict[str, Any]]) -> str:
    """The step that ended badly and its log's address, as far as Amplify tells them."""
    for step in steps:
        if step["status"] not in ("SUCCEED", *RUNNING):
            return f" at {step['stepName']}" + (f"; log: {step['logUrl']}" if step.get("logUrl") else "")
    return ""


def _under_way(amplify: Any, app: str, branch: str) -> list[str]:
    jobs = amplify.list_jobs(appId=app, branchName=branch, maxResults=10)["jobSummaries"]
    return [job["jobId"] for job in jobs if job["status"] in RUNNING]


def _stop_others(amplify: Any, app: str, branch: str) -> None:
    """Amplify runs one job a branch at a time, and one that is under way was started with older settings."""
    for job in _under_way(amplify, app, branch):
        amplify.stop_job(appId=app, branchName=branch, jobId=job)


def main(arguments: Sequence[str]) -> int:
    """The exit status that the module's docstring tells."""
    parser = argparse.ArgumentParser(prog="python -m components.amplify_build", description=__doc__)
    parser.add_argument("app", help="Amplify app id")
    parser.add_argument("branch", help="branch to build")
    parser.add_argument("--minutes", type=float, default=30, help="how long to wait (default 30)")
    given = parser.parse_args(arguments)
    # The Region by name: boto3 itself reads AWS_DEFAULT_REGION only.
    connect = cast(Callable[..., Any], boto3.client)  # no stubs
    amplify = connect("amplify", region_name=os.environ["AWS_REGION"])
    return build(amplify, given.app, given.branch, given.minutes, lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
