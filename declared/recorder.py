"""A recording engine: runs Pulumi code against pretended AWS and keeps all that it registered, options included.

Each run has its own context, config and event loop, so nothing is left for the next one. No network.
"""

import asyncio
import contextvars
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import pulumi
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import resource_pb2

import contract
from declared import pretend_aws

T = TypeVar("T")
STACK = "pulumi:pulumi:Stack"
"""Type of the resource that all others stand in."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One registered resource. Inputs and outputs have Pulumi's own names (camelCase), secrets unwrapped.

    parent, depends_on: logical names; depends_on holds what inputs refer to as well as what the option names, and
    depends_on_urns the same by URN, for names that several types share.
    provider: logical name of the explicit provider, empty when it was lost.
    secret_inputs: paths of the inputs marked secret, such as `origins[0].customHeaders[0].value`.
    """

    token: str
    name: str
    urn: str
    parent: str
    provider: str
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    outputs: dict[str, Any]
    depends_on: frozenset[str]
    depends_on_urns: frozenset[str]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    replacement_trigger: Any
    create_timeout: str
    secret_outputs: frozenset[str]


@dataclass(kw_only=True)
class Recording(Generic[T]):
    """What a run registered, in order. `built` is what the callable returned, `exports` the stack's outputs."""

    all: list[Recorded] = field(default_factory=list[Recorded])
    registered: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """`register_outputs` of components, by logical name."""
    secret_registered: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    exports: dict[str, Any] = field(default_factory=dict[str, Any])
    secret_exports: set[str] = field(default_factory=set[str])
    built: T | None = None

    def of(self, token: str) -> list[Recorded]:
        """Resources of a type."""
        return [one for one in self.all if one.token == token]

    def inputs_of(self, token: str) -> list[dict[str, Any]]:
        """Inputs of all resources of a type."""
        return [one.inputs for one in self.of(token)]

    def named(self, name: str, token: str = "") -> Recorded:
        """The one resource of a logical name; `token` where several types share it."""
        found = [one for one in self.all if one.name == name and token in ("", one.token)]
        if len(found) != 1:
            known = ", ".join(sorted(f"{one.name} ({one.token})" for one in self.all))
            raise LookupError(f"{len(found)} resources are named {name}, not 1; registered: {known}")
        return found[0]

    def only(self, token: str) -> Recorded:
        """The one resource of a type."""
        found = self.of(token)
        if len(found) != 1:
            raise LookupError(f"{[one.name for one in found]} are {token}, not exactly one")
        return found[0]


class _Monitor(mocks.MockMonitor):
    """The SDK's own mock monitor, which keeps the whole request where the SDK's forgets options and secrets."""

    def __init__(self, lookups: Mapping[str, pretend_aws.Answer], recording: Recording[Any]) -> None:
        self._lookups, self._recording = lookups, recording
        super().__init__(_Mocks(lookups))

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine makes them: with the types of all that a resource stands in, where the SDK's mock has the last."""
        around = parent.split("::")[2] if parent else STACK
        types = type_ if around == STACK else f"{around}${type_}"
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{types}::{name}"

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        inputs, secret_inputs = _plain(request.object)
        outputs: dict[str, Any] = {}
        if request.custom:
            outputs = pretend_aws.new_outputs(request.type, request.name, urn, inputs)
        self._recording.all.append(_recorded(request, urn, inputs, secret_inputs, outputs))
        # As the engine does: what came in secret comes out secret, and what the program says is secret.
        hidden = {_top(path) for path in secret_inputs} | set(request.additionalSecretOutputs)
        marked = {key: rpc.wrap_rpc_secret(v) if key in hidden else v for key, v in outputs.items()}
        answer = Struct()
        answer.update(marked)
        made = outputs.get("id", "")
        self.resources[urn] = mocks.MockMonitor.ResourceRegistration(urn, made, outputs)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=made, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        name = _name_of(request.urn)
        self._recording.registered[name], secret = _plain(request.outputs)
        self._recording.secret_registered[name] = secret
        return super().RegisterResourceOutputs(request)


class _Mocks(mocks.Mocks):
    def __init__(self, lookups: Mapping[str, pretend_aws.Answer]) -> None:
        self._lookups = lookups

    def call(self, args: mocks.MockCallArgs) -> Any:
        if args.token not in self._lookups:
            raise LookupError(
                f"lookup {args.token} with {args.args} was not prepared; give its answer to deploy(lookups=…)"
            )
        answer = self._lookups[args.token]
        return dict(answer(cast(dict[str, Any], args.args)) if callable(answer) else answer)

    def new_resource(self, args: mocks.MockResourceArgs) -> Any:
        raise NotImplementedError(
            f"{args.typ} {args.name}: the program reads a resource; the monitor records none"
        )


def deploy(
    build: Callable[[], T],
    *,
    lookups: Mapping[str, pretend_aws.Answer] | None = None,
    stack: str = "dev",
    config: Mapping[str, str] | None = None,
    secret_keys: Collection[str] = (),
) -> Recording[T]:
    """Run `build` as a program and wait until all that it registered is settled; its errors are raised.

    lookups: answers beside and before the usual ones (`pretend_aws.LOOKUPS`); a lookup without any fails by name.
    config: as the engine hands it over, `namespace:key` to text.
    """
    recording = Recording[T]()
    answers = {**pretend_aws.LOOKUPS, **(lookups or {})}

    def run() -> None:
        pulumi.runtime.set_all_config(dict(config or {}), list(secret_keys))
        monitor = _Monitor(answers, recording)
        mocks.set_mocks(
            _Mocks(answers), project=contract.PROJECT, stack=stack, preview=False, monitor=monitor
        )
        pulumi.runtime.test(lambda: _run(build, recording))()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        contextvars.copy_context().run(run)
    finally:
        _close(loop)
    return recording


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """A run that failed leaves registrations under way; they end here, not in the next test."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    asyncio.set_event_loop(None)
    loop.close()


async def _run(build: Callable[[], T], recording: Recording[T]) -> None:
    recording.built = build()
    root = cast(Any, pulumi.runtime.get_root_resource())
    for name, value in root.outputs.items():
        output = pulumi.Output.from_input(value)
        recording.exports[name] = await output.future()
        if await output.is_secret():
            recording.secret_exports.add(name)


def _recorded(
    request: Any, urn: str, inputs: dict[str, Any], secret_inputs: frozenset[str], outputs: dict[str, Any]
) -> Recorded:
    return Recorded(
        token=request.type,
        name=request.name,
        urn=urn,
        parent=_name_of(request.parent),
        provider=_name_of(request.provider.rpartition("::")[0]),
        inputs=inputs,
        secret_inputs=secret_inputs,
        outputs=outputs,
        depends_on=frozenset(_name_of(one) for one in request.dependencies),
        depends_on_urns=frozenset(request.dependencies),
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        ignore_changes=tuple(request.ignoreChanges),
        replacement_trigger=MessageToDict(request.replacement_trigger)
        if request.HasField("replacement_trigger")
        else None,
        create_timeout=request.customTimeouts.create,
        secret_outputs=frozenset(request.additionalSecretOutputs),
    )


def _name_of(urn: str) -> str:
    return urn.split("::")[3] if urn else ""


def _top(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]


def _plain(struct: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Properties without their secret marks, and the paths that bore one."""
    secret: set[str] = set()

    def walk(value: Any, path: str) -> Any:
        if rpc.is_rpc_secret(value):
            secret.add(path)
            return walk(rpc.unwrap_rpc_secret(value), path)
        if isinstance(value, dict):
            items = cast(dict[str, Any], value).items()
            return {key: walk(one, f"{path}.{key}" if path else key) for key, one in items if one is not None}
        if isinstance(value, list):
            return [walk(one, f"{path}[{at}]") for at, one in enumerate(cast(list[Any], value))]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return walk(MessageToDict(struct), ""), frozenset(secret)
