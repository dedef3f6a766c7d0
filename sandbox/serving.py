"""What both providers share: how they listen, what they say of themselves, how they report a failure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, TypeVar, cast

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.diff import Change
from sandbox.properties import encode

log = logging.getLogger("sandbox")

WORKERS = 64
"""Requests answered at the same time: well above the engine's own default of parallel operations."""

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
"""No limit: gRPC's own 4 MiB is less than the engine may send."""

KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE

Method = TypeVar("Method", bound=Callable[..., Any])


class Failed(Exception):
    """A request that can't be served; the message is shown to the user by the engine."""

    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> None:
        super().__init__(message)
        self.code = code


class HalfMade(Failed):
    """A resource that exists but isn't whole: the engine records it, so that the next run can deal with it."""

    def __init__(self, id: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], reason: str) -> None:
        super().__init__(f"{id} was created, but isn't whole: {reason}")
        self.detail = provider_pb2.ErrorResourceInitFailed(
            id=id, properties=encode(outputs), inputs=encode(inputs), reasons=[reason]
        )


class _Status(grpc.Status):
    """A status with details, as grpcio-status would make it (which isn't worth a dependency)."""

    def __init__(self, error: HalfMade) -> None:
        packed = any_pb2.Any()
        packed.Pack(error.detail)
        rich = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[packed])
        self.code, self.details = grpc.StatusCode.UNKNOWN, str(error)
        self.trailing_metadata = (("grpc-status-details-bin", rich.SerializeToString()),)


def answered(method: Method) -> Method:
    """Turn what a request's method raises into a gRPC error that says what was wrong."""

    @wraps(method)
    def answer(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except HalfMade as error:
            context.abort_with_status(_Status(error))
        except Failed as error:
            context.abort(error.code, str(error))
        except Exception as error:
            log.exception(
                "%s of %s", method.__name__, getattr(request, "urn", "") or getattr(request, "tok", "")
            )
            context.abort(grpc.StatusCode.UNKNOWN, told(error))
        raise AssertionError("abort raises")

    return cast(Method, answer)


def told(error: BaseException) -> str:
    """An exception in a line: the AWS code and message of a service's error."""
    if isinstance(error, ClientError):
        fault = cast(dict[str, Any], error.response.get("Error") or {})
        return f"{error.operation_name}: {fault.get('Code', '?')}: {fault.get('Message', error)}"
    if isinstance(error, BotoCoreError):
        return str(error)
    return f"{type(error).__name__}: {error}"


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """The part of a provider that is the same for all."""

    version: str

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Say what we can do."""
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Say which version of the plugin we stand for: that of the installed SDK."""
        return plugin_pb2.PluginInfo(version=self.version)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The engine's address: we never call back."""
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The user pressed Ctrl-C: operations that are short come to their end."""
        return empty_pb2.Empty()


def property_diffs(found: Mapping[str, Change], goes_first: bool = False) -> provider_pb2.DiffResponse:
    """The changes by path, as the engine takes them. goes_first: a replacement deletes the old one before."""
    top = {path: path.split(".")[0].split("[")[0] for path in found}
    return provider_pb2.DiffResponse(
        changes=SOME if found else NONE,
        diffs=sorted(set(top.values())),
        replaces=sorted({top[path] for path, one in found.items() if one.replaces}),
        detailedDiff={
            path: provider_pb2.PropertyDiff(
                kind=KINDS[one.kind, one.replaces], inputDiff=top[path] != "tagsAll"
            )
            for path, one in found.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=goes_first,
    )


def type_of(urn: str) -> str:
    """Type token of a URN (`urn:pulumi:stack::project::parent$type::name`)."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def stack_of(urn: str) -> str:
    """Stack and project of a URN."""
    return "::".join(urn.split("::")[:2])


def serve(provider: Plugin) -> tuple[grpc.Server, int]:
    """Listen on a free port of this machine only; the server and its port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS), options=OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
