"""The figures of pictures: each takes a running rig and gives rows of a table."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

import contract
from bench import picture_load as load
from bench.measure import memory_mib
from bench.picture_load import Designer, Took
from bench.picture_rig import SECRET, Rig, event_key

USERS = 50
BUSY = 0.6
"""Share of what can be done that 50 users ask for; above it waiting for one another hides everything else."""

SUBMITS_PER_S = 50
STREAMS = 500
STREAM_USERS = 100
MEMORY_GOAL_MIB, SAMPLE_S = 250, 1.0


@dataclass
class Rows:
    """A section of the report: a title, and lines of name, figure, and goal or remark."""

    title: str
    lines: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    def add(self, name: str, figure: str, remark: str = "") -> None:
        """Add a line."""
        self.lines.append((name, figure, remark))


def ms(seconds: float) -> str:
    """In milliseconds, for reading."""
    return f"{seconds * 1000:,.0f} ms" if abs(seconds) >= 0.01 else f"{seconds * 1000:.1f} ms"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not pass (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def verdict(value: float, goal: float) -> str:
    """Whether a figure of seconds is below its goal."""
    return f"goal < {ms(goal)}: {'met' if value < goal else 'MISSED'}"


async def throughput(rig: Rig, pictures: int) -> Rows:
    """Pictures a second, 16 users who ask again at once; and ComfyUI asked directly by as many."""
    rows = Rows(f"(a) pictures a second, {rig.args.seconds} s each, AWS: {rig.args.aws}")
    async with load.client() as session:
        designers = [Designer(rig, session) for _ in range(16)]
        graph = await load.warm_up(designers[0], 10)
        async with load.direct_users(rig, session, graph, 16) as direct:
            alone, _ = await load.closed_loop([one.picture for one in direct], pictures)
        before, asked = rig.cpu(), await _calls(rig, session)
        seconds, _ = await load.closed_loop([one.picture for one in designers], pictures)
        after, calls = rig.cpu(), await _calls(rig, session) - asked
    rows.add("whole path", f"{pictures / seconds:.1f}/s", f"{pictures} pictures")
    rows.add(
        "ComfyUI's emulator alone", f"{pictures / alone:.1f}/s", f"whole path is {alone / seconds:.0%} of it"
    )
    for part in before:
        rows.add(f"CPU a picture: {part}", f"{(after[part] - before[part]) / pictures * 1000:.1f} ms")
    ours = sum(after[part] - before[part] for part in ("backend", "worker")) / pictures
    rows.add("CPU a picture: backend + worker", f"{ours * 1000:.1f} ms", "ours")
    for name, count in calls.most_common():
        rows.add(f"AWS calls a picture: {name}", f"{count / pictures:.2f}")
    return rows


async def _calls(rig: Rig, session: aiohttp.ClientSession) -> Counter[str]:
    """How often AWS was called so far, by the call's name; moto doesn't count."""
    if rig.args.aws == "moto":
        return Counter()
    async with session.get(f"{rig.aws}/_calls") as answer:
        return Counter(await answer.json())


async def added_alone(rig: Rig, pairs: int) -> Rows:
    """Latency added for one user: pictures by turns of the whole path and of ComfyUI alone."""
    rows = Rows(f"(b) latency added, one user, {_length(rig)} pictures, AWS: {rig.args.aws}")
    whole, alone = list[Took](), list[Took]()
    async with load.client() as session:
        designer = Designer(rig, session)
        graph = await load.warm_up(designer, 2 if rig.args.seconds else 20)
        async with load.direct_users(rig, session, graph, 1) as [direct]:
            for _ in range(pairs):
                alone.append(await direct.picture())
                whole.append(await designer.picture())
    _compare(rows, whole, alone)
    return rows


async def added_busy(rig: Rig, pictures: int) -> Rows:
    """Latency added with 50 users who ask at the same chance times of both; each picture against its twin."""
    rows = Rows(f"(b) latency added, {USERS} users, {_length(rig)} pictures, AWS: {rig.args.aws}")
    async with load.client() as session:
        designers = [Designer(rig, session) for _ in range(USERS)]
        graph = await load.warm_up(designers[0], 2 if rig.args.seconds else 20)
        async with load.direct_users(rig, session, graph, USERS) as direct:
            # Both are asked for no more than either can do, or waiting for one another would be all that is seen.
            probe = 3 if rig.args.seconds else 60
            by_direct, _ = await load.closed_loop([one.picture for one in direct[:4]], probe)
            by_path, _ = await load.closed_loop([one.picture for one in designers[:4]], probe)
            rate = BUSY * probe / max(by_direct, by_path)
            starts = _chance_times(pictures, rate)
            alone = await load.at_times([one.picture for one in direct], starts)
        whole = await load.at_times([one.picture for one in designers], starts)
    rows.add("asked for", f"{rate:.2f}/s", f"{BUSY:.0%} of what the slower can do")
    rows.add("ComfyUI alone can do", f"{probe / by_direct:.1f}/s")
    rows.add("whole path can do", f"{probe / by_path:.1f}/s")
    _compare(rows, whole, alone)
    return rows


async def submits(rig: Rig, seconds: float) -> Rows:
    """Latency of POST /api/generations at 50 a second by 50 users, while the worker makes the pictures."""
    rows = Rows(f"(d) submit latency, {SUBMITS_PER_S}/s for {seconds:.0f} s, AWS: {rig.args.aws}")
    took: list[float] = []
    async with load.client() as session:
        designers = [Designer(rig, session) for _ in range(USERS)]
        await load.warm_up(designers[0], 5)
        await asyncio.gather(*(one.submit() for one in designers))

        async def submit(designer: Designer, at: float) -> None:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            start = time.perf_counter()
            await designer.submit()
            took.append(time.perf_counter() - start)

        begun, count = time.perf_counter() + 0.2, round(seconds * SUBMITS_PER_S)
        before = rig.cpu()
        turns = zip(range(count), itertools.cycle(designers), strict=False)
        await asyncio.gather(*(submit(one, begun + n / SUBMITS_PER_S) for n, one in turns))
        spent = time.perf_counter() - begun
        after = rig.cpu()
    rows.add("p50", ms(quantile(took, 0.5)))
    rows.add("p99", ms(quantile(took, 0.99)), verdict(quantile(took, 0.99), 0.1))
    rows.add(
        "longest",
        ms(max(took)),
        f"{count} accepted, {count / spent:.0f}/s"
        if count / spent > 0.95 * SUBMITS_PER_S
        else f"only {count / spent:.0f}/s: too slow",
    )
    for part in before:
        rows.add(f"CPU: {part}", f"{(after[part] - before[part]) / spent:.0%} of a core")
    return rows


async def streams(rig: Rig, seconds: float) -> Rows:
    """500 open event streams, each of a generation of its own; progress of those that run, and of others by probes."""
    rows = Rows(f"(c) {STREAMS} open event streams, {_length(rig)} pictures, AWS: {rig.args.aws}")
    seen, arrivals = Counter[str](), dict[tuple[str, int], float]()
    versions: dict[str, int] = {}
    async with load.client() as session:
        designers = [Designer(rig, session) for _ in range(STREAM_USERS)]
        await load.warm_up(designers[0], 1)

        async def watch(designer: Designer, generation: str) -> None:
            with suppress(aiohttp.ClientError):
                async for event, data in designer.events(generation):
                    seen[event] += 1
                    versions.setdefault(generation, 1)
                    if event == "progress" and data["steps"] == PROBE_STEPS:
                        arrivals[generation, data["step"]] = time.perf_counter()

        begun = time.perf_counter()
        own = [one for one in designers for _ in range(STREAMS // STREAM_USERS)]
        ids = [(one, await one.submit()) for one in own]
        submitted = time.perf_counter()
        watchers = [asyncio.create_task(watch(one, generation)) for one, generation in ids]
        while len(versions) < STREAMS * 0.98 and time.perf_counter() < submitted + 60:
            await asyncio.sleep(0.02)
        opened = time.perf_counter()
        seen.clear()
        before = rig.cpu()
        lags, health = await _probe(
            rig, session, [generation for _, generation in ids[-200:]], arrivals, seconds
        )
        spent = time.perf_counter() - opened
        after = rig.cpu()
        is_open = sum(not watcher.done() for watcher in watchers)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    rows.add("all submitted and opened", f"{opened - begun:.1f} s", f"opened in {opened - submitted:.1f} s")
    rows.add("still open at the end", str(is_open), f"after {spent:.0f} s; {seen['done']} were done")
    rows.add(
        "events",
        f"{sum(seen.values()) / spent:,.0f}/s",
        ", ".join(f"{name} {n / spent:.0f}/s" for name, n in seen.most_common()),
    )
    rows.add("progress, worker's word to reader p50", ms(quantile(lags, 0.5)), f"{len(lags)} probes")
    rows.add("progress, worker's word to reader p99", ms(quantile(lags, 0.99)))
    rows.add(
        "GET /api/health meanwhile p50, p99", f"{ms(quantile(health, 0.5))}, {ms(quantile(health, 0.99))}"
    )
    for part in before:
        rows.add(f"CPU: {part}", f"{(after[part] - before[part]) / spent:.0%} of a core")
    rows.add("backend's memory", f"{memory_mib(rig.pids['backend']):.0f} MiB")
    return rows


PROBE_STEPS = 999_999
"""Steps that a probe says there are; no picture has so many."""


async def _probe(
    rig: Rig,
    session: aiohttp.ClientSession,
    ids: Sequence[str],
    arrivals: dict[tuple[str, int], float],
    seconds: float,
) -> tuple[list[float], list[float]]:
    """Tell of progress as the worker does, of generations that wait; seconds until it arrived, and of a health check."""
    headers = {"X-Internal-Key": event_key(), contract.ORIGIN_SECRET_HEADER: SECRET}
    sent, health = dict[tuple[str, int], float](), list[float]()
    end, step = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        step += 1
        generation = random.choice(ids)  # noqa: S311  # no secret
        sent[generation, step] = time.perf_counter()
        body = {"id": generation, "version": 1, "type": "progress", "step": step, "steps": PROBE_STEPS}
        async with session.post(f"{rig.api}/internal/events", json=body, headers=headers) as answer:
            if answer.status != 200:
                raise load.Wrong(f"/internal/events: {answer.status}")
        start = time.perf_counter()
        async with session.get(f"{rig.api}/api/health", headers=headers) as answer:
            await answer.read()
        health.append(time.perf_counter() - start)
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    lags = [arrivals[key] - at for key, at in sent.items() if key in arrivals]
    if not lags:
        raise load.Wrong("no probe arrived")
    return lags, health


async def memory(rig: Rig, pictures: int) -> Rows:
    """Memory of backend and worker, shared pages by their share (PSS), while 16 users have so many pictures made."""
    rows = Rows(f"(e) memory over {pictures:,} pictures, AWS: {rig.args.aws}")
    samples: list[tuple[int, float, float]] = []
    made = 0

    def counted(make: Callable[[], Awaitable[Took]]) -> Callable[[], Awaitable[Took]]:
        async def one() -> Took:
            nonlocal made
            took = await make()
            made += 1
            return took

        return one

    async def look() -> None:
        while True:
            samples.append((made, memory_mib(rig.pids["backend"]), memory_mib(rig.pids["worker"])))
            await asyncio.sleep(SAMPLE_S)

    async with load.client() as session:
        designers = [Designer(rig, session) for _ in range(16)]
        looking = asyncio.create_task(look())
        seconds, _ = await load.closed_loop([counted(one.picture) for one in designers], pictures)
        looking.cancel()
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        at = next((one for one in samples if one[0] >= share * (made - 1)), samples[-1])
        rows.add(f"after {at[0]:,}", f"{at[1] + at[2]:.0f} MiB", f"backend {at[1]:.0f}, worker {at[2]:.0f}")
    most = max(backend + worker for _, backend, worker in samples)
    rows.add(
        "most, together",
        f"{most:.0f} MiB",
        f"goal < {MEMORY_GOAL_MIB} MiB: {'met' if most < MEMORY_GOAL_MIB else 'MISSED'}",
    )
    late = [one for one in samples if one[0] > made / 2]
    for name, column in (("backend", 1), ("worker", 2)):
        slope = statistics.linear_regression([one[0] for one in late], [one[column] for one in late]).slope
        rows.add(f"slope of the second half: {name}", f"{slope * 1000:+.2f} MiB", "for each 1,000 pictures")
    rows.add("pictures a second", f"{made / seconds:.1f}/s")
    return rows


def _compare(rows: Rows, whole: Sequence[Took], alone: Sequence[Took]) -> None:
    """Of twins: what the whole path took more."""
    added = [one.picture - other.picture for one, other in zip(whole, alone, strict=True)]
    path, direct = (statistics.median(one.picture for one in all_) for all_ in (whole, alone))
    rows.add("ComfyUI alone p50", ms(direct), f"{len(alone)} pictures")
    rows.add("whole path p50", ms(path), f"{path / direct:.2f} times")
    rows.add("added p50", ms(quantile(added, 0.5)), verdict(quantile(added, 0.5), 0.1))
    rows.add("added p99", ms(quantile(added, 0.99)), verdict(quantile(added, 0.99), 0.3))
    rows.add("of it the submit p50", ms(statistics.median(one.accepted for one in whole)))


def _chance_times(pictures: int, per_s: float) -> list[list[float]]:
    """Times at which each of the users asks: chance ones, the same in every run."""
    chance = random.Random(4)  # noqa: S311  # no secret
    starts: list[list[float]] = [[] for _ in range(USERS)]
    at = 0.5
    for n in range(pictures):
        at += chance.expovariate(per_s)
        starts[n % USERS].append(at)
    return starts


def _length(rig: Rig) -> str:
    return f"{rig.args.seconds} s"
