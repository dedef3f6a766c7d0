"""`ops loras train`: a folder of pictures becomes a style, by a training job on SageMaker.

Looked at first, on this machine: the settings, the pictures, the stack's role, image and quota. Then one job, followed to
its end; what it made is brought here, and published when somebody says so.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ops import loras, training_follow, training_job, training_result
from ops.errors import BAD, OpsError
from ops.show import as_json, console, counted, lines
from ops.stack import Stack
from ops.training_checks import JobParts, check, job_parts
from training import shelf
from training.faults import SettingsRefused
from training.prepare import PrepareArgs, SetRefused, prepare
from training.settings import TrainSettings, from_texts

DEFAULT_BASE = "interiordesignsuperm_v2.safetensors"


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """What is asked for. settings: texts by name, of training/settings.py. Limits None: the stack's own. spot None: as the
    stack has it. resume: an ended job, whose checkpoints and set are taken; then images are not needed."""

    name: str
    images: Path | None
    settings: Mapping[str, str]
    base: str = DEFAULT_BASE
    resume: str = ""
    spot: bool | None = None
    max_minutes: float | None = None
    max_dollars: float | None = None
    out: Path | None = None
    publish: bool | None = None
    promote: bool = False
    title: str = ""
    verbose: bool = False
    poll_s: float = training_follow.POLL_S


def run(stack: Stack, args: TrainArgs, *, json: bool) -> int:
    """Train, bring the result here, publish it if that is wanted. The exit status."""
    parts = job_parts(stack)
    if args.spot is not None:
        parts = replace(parts, spot=args.spot)
    seconds = training_job.allowed_seconds(parts, args.max_minutes, args.max_dollars)
    begin = _resumed if args.resume else _begun
    name = begin(stack, parts, args, seconds)
    return finish(stack, name, args, json=json)


def finish(stack: Stack, name: str, args: TrainArgs, *, json: bool) -> int:
    """Follow a job that runs, or has ended, and do what comes after it."""
    rate = _rate(stack)
    job, seen = training_follow.follow(stack, name, rate, verbose=args.verbose, poll_s=args.poll_s)
    training_follow.ended_well(stack, job, seen)
    folder = args.out or Path("trained", name)
    result = training_result.bring(stack, job, folder)
    dollars = training_follow.billed_seconds(job) / 3600 * rate
    if not json:
        training_result.show(result, dollars)
    published = None
    if _wanted(args, result, json=json):
        published = training_result.publish(stack, result, title=args.title, promote=args.promote)
    if json:
        told = {**result.told, "job": name, "folder": str(folder), "dollars": round(dollars, 2)}
        as_json({**told, "published": vars(published) if published else None})
    elif published:
        console().print(loras.published(stack, published), soft_wrap=True)
    else:
        console().print(f"Not published. To do it: {training_result.command(stack, result)}", soft_wrap=True)
    return 0


def stop(stack: Stack, name: str) -> int:
    """End a job; its checkpoints stay."""
    job = training_job.describe(stack, name)
    if job["TrainingJobStatus"] != "InProgress":
        raise OpsError(f"{name} runs no more: {job['TrainingJobStatus'].lower()}", BAD)
    stack.client("sagemaker").stop_training_job(TrainingJobName=name)
    console().print(
        f"{name} is being stopped. To go on from its checkpoints: python -m ops --stack {stack.name} loras train --resume {name}",
        soft_wrap=True,
    )
    return 0


def _rate(stack: Stack) -> float:
    return job_parts(stack).dollars_per_hour


def _begun(stack: Stack, parts: JobParts, args: TrainArgs, seconds: int) -> str:
    settings = _settings(args)
    if args.images is None:
        raise OpsError("--images DIR: which folder has the pictures? (or --resume JOB)")
    bucket = stack.output("bucketName")
    _check_name(stack, bucket, settings.name)
    _say_unseen(check(stack, parts, args.base, spot=parts.spot))
    name = training_job.job_name(stack.name, settings.name)
    place = training_job.place_of(settings.name, name)
    with tempfile.TemporaryDirectory(prefix="sd-app-set-") as made:
        said: list[str] = []
        try:
            prepared = prepare(PrepareArgs(source=args.images, target=Path(made)), say=said.append)
        except SetRefused as why:  # it names what was set aside, too
            raise OpsError(f"no job was started: {why}", BAD) from why
        for line in said:
            if line.startswith("set aside"):
                _say(line)
        _say(_announced(name, parts, seconds, counted(len(prepared.kept), "picture")))
        training_job.send(stack, bucket, place, Path(made))
    plan = training_job.JobPlan(
        style=settings.name, base=args.base, settings=settings.as_texts(), spot=parts.spot, seconds=seconds
    )
    training_job.start(stack, parts, plan, name, place)
    return name


def _resumed(stack: Stack, parts: JobParts, args: TrainArgs, seconds: int) -> str:
    """A new job with the set, the package, the settings and the checkpoints of an ended one."""
    job = training_job.describe(stack, args.resume)
    if job["TrainingJobStatus"] == "InProgress":
        raise OpsError(
            f"{args.resume} still runs: python -m ops --stack {stack.name} loras follow {args.resume}", BAD
        )
    settings: dict[str, str] = job["HyperParameters"]
    if args.settings or args.images or args.name not in ("", settings["name"]):
        raise OpsError("--resume takes name, pictures and settings of the job it resumes: leave them off")
    base = next(one for one in job["InputDataConfig"] if one["ChannelName"] == "base")
    base_name = base["DataSource"]["S3DataSource"]["S3Uri"].rpartition("/")[2]
    _say_unseen(check(stack, parts, base_name, spot=parts.spot))
    name = training_job.job_name(stack.name, settings["name"])
    _say(_announced(name, parts, seconds, f"checkpoints of {args.resume}"))
    plan = training_job.JobPlan(
        style=settings["name"], base=base_name, settings=settings, spot=parts.spot, seconds=seconds
    )
    training_job.start(stack, parts, plan, name, training_job.place_in(job))
    return name


def _settings(args: TrainArgs) -> TrainSettings:
    try:
        return from_texts({**args.settings, "name": args.name})
    except SettingsRefused as why:
        raise OpsError(f"no job was started: {why}") from why


def _check_name(stack: Stack, bucket: str, style: str) -> None:
    """A plain file of that name has no versions: publishing would be refused after all the work."""
    there = shelf.entries(stack.client("s3"), bucket)
    if f"{style}{shelf.FILE}" in there and f"{style}{shelf.ALIAS}" not in there:
        raise OpsError(
            f"no job was started: the name {style} is taken by s3://{bucket}/{shelf.PREFIX}{style}{shelf.FILE}, which has no"
            f" versions: choose another, or make it a version of the style with `python -m ops loras promote {style}`",
            BAD,
        )


def _announced(name: str, parts: JobParts, seconds: int, what: str) -> str:
    most = seconds / 3600 * parts.dollars_per_hour
    spot = ", on spot" if parts.spot else ""
    return (
        f"{name}: {what}, {parts.instance_type}{spot}, at most {counted(round(seconds / 60), 'minute')} and ${most:.2f}"
        f" (${parts.dollars_per_hour:g} an hour{' at the full price' if spot else ''})"
    )


def _wanted(args: TrainArgs, result: training_result.Result, *, json: bool) -> bool:
    """--yes or --no; asked where somebody can answer."""
    if args.publish is not None:
        return args.publish
    if json or not sys.stdin.isatty():
        return False
    try:
        answer = input(f"Publish it as the next version of {result.style}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _say_unseen(unseen: list[str]) -> None:
    if unseen:
        _say(f"not looked at, for want of the right to:\n{lines(unseen)}")


def options(given: list[str]) -> dict[str, str]:
    """`--set NAME=VALUE` of the command line by name. Raises OpsError."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise OpsError(f"--set {one}: write NAME=VALUE, as --set rank=32")
        found[name] = value
    return found
