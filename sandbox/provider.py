"""The `aws` provider: answers the Pulumi engine's requests from the tables of sandbox/aws, as the official one would.

The engine attaches to it by PULUMI_DEBUG_PROVIDERS; several stacks may at the same time.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from sandbox import configuration, schema
from sandbox.aws import LOOKUPS, TYPES
from sandbox.aws.table import Aws, Partial, Props, Store
from sandbox.configuration import Configuration, Configurations
from sandbox.properties import UNKNOWN, Unknown, decode, encode, has, keep_secret, plain
from sandbox.resource import INCOMPLETE, Resource, after, before, own
from sandbox.schema import Fault, UnknownType
from sandbox.serving import NONE, SOME, Failed, HalfMade, Plugin, answered, property_diffs, told, type_of


def _failures(faults: list[Fault]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=one.path, reason=one.reason) for one in faults]


class AwsProvider(Plugin):
    """AWS as the emulator has it."""

    def __init__(self, endpoint: str, store: Store, account: str) -> None:
        self.version = schema.sdk_version()
        self._account = account
        self._configurations = Configurations()
        self._base = Aws(endpoint=endpoint, region="", account=account, store=store)

    # Configuration

    @answered
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse provider settings that are wrong or that the sandbox doesn't act on."""
        _, faults = configuration.check(decode(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(faults))

    @answered
    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Another configuration is another way to the same account: it never replaces the provider."""
        old, new = (
            configuration.unpacked(decode(request.old_inputs)),
            configuration.unpacked(decode(request.news)),
        )
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        return provider_pb2.DiffResponse(changes=SOME if changed else NONE, diffs=changed)

    @answered
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Remember the settings of this connection; refuse an account that they don't allow."""
        values, faults = configuration.check(decode(request.args))
        if faults:
            raise Failed("; ".join(f"{one.path}: {one.reason}" for one in faults))
        found = configuration.parse(values)
        refused = found.refuses(self._account)
        if refused:
            raise Failed(refused)
        self._configurations.put(context.peer(), request.urn, found)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _configuration(self, context: grpc.ServicerContext, urn: str = "") -> Configuration:
        found = self._configurations.get(context.peer(), urn)
        if found is None:
            raise Failed(
                "the sandbox's provider was started anew while the engine worked; run the command again",
                grpc.StatusCode.FAILED_PRECONDITION,
            )
        return found

    def _aws(self, found: Configuration, region: str) -> Aws:
        return self._base.seen_by(found.default_tags).within(region)

    def _resource(self, urn: str, context: grpc.ServicerContext) -> Resource:
        token = type_of(urn)
        try:
            of_type = schema.of(token)
        except UnknownType as error:
            raise Failed(str(error), grpc.StatusCode.INVALID_ARGUMENT) from error
        if token not in TYPES:
            raise Failed(
                f"the sandbox doesn't know {token} (it knows {len(TYPES)} types, listed in sandbox/README.md);"
                " deploy this resource on AWS, or teach it to the sandbox in sandbox/aws/",
                grpc.StatusCode.UNIMPLEMENTED,
            )
        return Resource(TYPES[token], of_type, self._configuration(context, urn))

    # Resources

    @answered
    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse inputs that the SDK doesn't have, lacks or types otherwise; fill in the name."""
        resource = self._resource(request.urn, context)
        inputs, faults = resource.faults(decode(request.news))
        if faults:
            return provider_pb2.CheckResponse(failures=_failures(faults))
        name = request.urn.rsplit("::", 1)[-1]
        seed = request.randomSeed or request.urn.encode()
        return provider_pb2.CheckResponse(
            inputs=encode(resource.completed(inputs, decode(request.olds), name, seed))
        )

    @answered
    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Compare the old inputs (after a refresh: what is really there) with the new ones."""
        resource = self._resource(request.urn, context)
        inputs, outputs = plain(decode(request.old_inputs)), plain(decode(request.olds))
        new = plain(decode(request.news))
        found = resource.changes(inputs, outputs, new)
        return property_diffs(found, resource.goes_first(inputs, outputs, new))

    @answered
    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Make it and read it back."""
        resource = self._resource(request.urn, context)
        declared = decode(request.properties)
        inputs: Props = plain(declared)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(self._expected(resource, declared, inputs)))
        aws = self._aws(resource.configuration, resource.region(inputs))
        try:
            id = resource.type.create(aws, own(inputs))
        except Partial as error:
            raise self._half_made(error.id, declared, error.reason) from error
        except Exception as error:
            raise Failed(f"creating {resource.type.token}: {told(error)}") from error
        try:
            outputs = self._seen(resource, aws, id, inputs, own(inputs))
        except Exception as error:
            raise self._half_made(id, declared, told(error)) from error
        return provider_pb2.CreateResponse(id=id, properties=encode(keep_secret(outputs, declared)))

    def _expected(self, resource: Resource, declared: Props, inputs: Props) -> Props:
        """What a preview shows: the inputs, and unknowns for all that AWS will tell."""
        return {key: UNKNOWN for key in resource.schema.outputs} | own(keep_secret(inputs, declared))

    def _half_made(self, id: str, declared: Props, reason: str) -> HalfMade:
        return HalfMade(id, own(declared) | {INCOMPLETE: reason}, declared, reason)

    def _seen(self, resource: Resource, aws: Aws, id: str, inputs: Props, last: Props) -> Props:
        found = resource.type.read(aws, id, last)
        if found is None:
            raise ValueError(f"{resource.type.token} {id} isn't there right after it was made or changed")
        return resource.outputs(inputs, found)

    @answered
    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """What is really there; nothing: it's gone."""
        resource = self._resource(request.urn, context)
        declared, known = decode(request.inputs), decode(request.properties)
        inputs, outputs = plain(declared), plain(known)
        aws = self._aws(resource.configuration, resource.region(outputs | inputs))
        found = resource.type.read(aws, request.id, before(inputs, outputs))
        if found is None:
            return provider_pb2.ReadResponse()
        now = resource.outputs(inputs, found)
        if INCOMPLETE in outputs:
            now[INCOMPLETE] = outputs[INCOMPLETE]
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=encode(keep_secret(now, known, declared)),
            inputs=encode(keep_secret(resource.inputs_now(declared, now), known, declared)),
        )

    @answered
    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Change it in place and read it back."""
        resource = self._resource(request.urn, context)
        declared, known = decode(request.news), decode(request.olds)
        old_inputs, old_outputs = plain(decode(request.old_inputs)), plain(known)
        new: Props = plain(declared)
        last, wanted = before(old_inputs, old_outputs), after(old_inputs, old_outputs, new)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(keep_secret(wanted, declared, known)))
        aws = self._aws(resource.configuration, resource.region(new))
        if resource.type.update is None:
            raise Failed(f"{resource.type.token} can't be changed, only replaced")
        try:
            resource.type.update(aws, request.id, last, wanted)
        except Exception as error:
            raise Failed(f"updating {resource.type.token} {request.id}: {told(error)}") from error
        outputs = self._seen(resource, aws, request.id, new, wanted)
        return provider_pb2.UpdateResponse(properties=encode(keep_secret(outputs, declared)))

    @answered
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Remove it; gone already is success."""
        resource = self._resource(request.urn, context)
        last = before(plain(decode(request.old_inputs)), plain(decode(request.properties)))
        aws = self._aws(resource.configuration, resource.region(last))
        try:
            resource.type.delete(aws, request.id, last)
        except Exception as error:
            raise Failed(f"deleting {resource.type.token} {request.id}: {told(error)}") from error
        return empty_pb2.Empty()

    # Lookups

    @answered
    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Answer a lookup."""
        try:
            arguments, faults = schema.check(decode(request.args), schema.lookup(request.tok))
        except UnknownType as error:
            raise Failed(str(error), grpc.StatusCode.INVALID_ARGUMENT) from error
        if request.tok not in LOOKUPS:
            raise Failed(
                f"the sandbox doesn't know the lookup {request.tok}; it knows {', '.join(sorted(LOOKUPS))}",
                grpc.StatusCode.UNIMPLEMENTED,
            )
        if faults:
            return provider_pb2.InvokeResponse(failures=_failures(faults))
        found = self._configuration(context)
        wanted: dict[str, Any] = plain(arguments)
        if has(wanted, Unknown):
            raise Failed(f"{request.tok}: an argument isn't known yet")
        try:
            result = LOOKUPS[request.tok](self._aws(found, wanted.get("region") or found.region), wanted)
        except Exception as error:
            raise Failed(f"{request.tok}: {told(error)}") from error
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(keep_secret(result, arguments)))  # a keyword of Python
        return response
