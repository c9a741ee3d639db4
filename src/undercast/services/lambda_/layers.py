"""Layers and their versions."""

from __future__ import annotations

from typing import Any

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import downloads, errors, limits
from undercast.services.lambda_.code import base64_sha256
from undercast.services.lambda_.core import Core, now, timestamp
from undercast.services.lambda_.layer_permissions import shared_with
from undercast.services.lambda_.model import LayerVersion
from undercast.services.lambda_.names import LAYER_ARN, locate_layer
from undercast.services.lambda_.pages import paged
from undercast.services.lambda_.sources import archived, check_request_size, refuse_bucket
from undercast.store.tables.lambda_layers import LambdaLayer, LambdaLayerVersion


def resolve(core: Core, call: Call, arns: list[str]) -> list[dict[str, Any]]:
    """The layers of a configuration, as they are kept in it. Raises AWS's errors."""
    if len(arns) > limits.LAYERS:
        raise errors.invalid("Cannot reference more than 5 layers.")
    seen: dict[str, str] = {}
    result = []
    for arn in arns:
        layer = _resolve(core, call, arn)
        if layer.layer_arn in seen:
            raise errors.invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same "
                f"function. {seen[layer.layer_arn]} and {arn} are versions of the same layer."
            )
        seen[layer.layer_arn] = arn
        result.append(
            {"Arn": arn, "CodeSize": layer.code_size, "code": layer.code, "unzipped": layer.unzipped_size}
        )
    return result


def _resolve(core: Core, call: Call, arn: str) -> LayerVersion:
    match = LAYER_ARN.fullmatch(arn)
    if match is None or match[4] is None:
        raise errors.unsupported(f"Layer {arn}", "Publish the layer in this account and name that version.")
    region, account, name, version = match.groups()
    if account == call.account and region != call.region:
        raise errors.invalid(
            "Layers are not in the same region as the function. "
            f"Layers are expected to be in region {call.region}."
        )
    layer = core.directory.layers.get((account, region, name, int(version)))
    if account != call.account and (
        layer is None or region != call.region or not shared_with(layer, call.account)
    ):
        raise errors.not_authorized(call.principal_arn, "lambda:GetLayerVersion", arn)
    if layer is None or layer.deleted:
        raise errors.invalid(f"Layer version {arn} does not exist.")
    return layer


class Layers:
    """PublishLayerVersion, GetLayerVersion(ByArn), ListLayers, ListLayerVersions, DeleteLayerVersion."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def publish_layer_version(self, call: Call, params: Params) -> Result:
        core, content = self._core, params["Content"]
        account, region, name = locate_layer(call, params["LayerName"])
        if (account, region) != (call.account, call.region):
            raise errors.not_authorized(call.principal_arn, "lambda:PublishLayerVersion", params["LayerName"])
        check_request_size(call)
        if content.get("S3Bucket"):
            raise refuse_bucket(content["S3Bucket"])
        if content.get("ZipFile") is None:
            raise errors.invalid("Please provide a source for function code.")
        with archived(core, call, content["ZipFile"]) as code:
            with core.store.write() as session:
                layer = session.get(LambdaLayer, (account, region, name))
                if layer is None:
                    layer = LambdaLayer(account=account, region=region, name=name, next_version=1)
                    session.add(layer)
                number = layer.next_version
                layer.next_version += 1
                session.add(
                    LambdaLayerVersion(
                        account=account,
                        region=region,
                        name=name,
                        version=number,
                        created=now(),
                        description=params.get("Description") or "",
                        license=params.get("LicenseInfo"),
                        runtimes=list(params.get("CompatibleRuntimes") or ()),
                        architectures=list(params.get("CompatibleArchitectures") or ()),
                        code=code.sha256,
                        code_size=code.size,
                        unzipped_size=code.unzipped_size,
                    )
                )
            version = core.directory.reload_layer((account, region, name, number))
        if version is None:
            raise errors.missing(errors.NO_RESOURCE)
        return self._whole(call, version)

    def get_layer_version(self, call: Call, params: Params) -> Result:
        _check_number(params["VersionNumber"])
        return self._whole(call, self._find(call, params["LayerName"], params["VersionNumber"]))

    def get_layer_version_by_arn(self, call: Call, params: Params) -> Result:
        match = LAYER_ARN.fullmatch(params["Arn"])
        if match is None or match[4] is None:
            raise errors.validation(
                params["Arn"],
                "arn",
                "Member must satisfy regular expression pattern: "
                "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)",
            )
        name = params["Arn"].rsplit(":", 1)[0]
        return self._whole(call, self._find(call, name, int(match[4])))

    def list_layers(self, call: Call, params: Params) -> Result:
        newest: dict[str, LayerVersion] = {}
        for layer in self._core.directory.layers_of(call.account, call.region):
            if _compatible(layer, params):
                newest[layer.name] = layer  # ascending: the last one is the newest that matches
        return paged(
            "Layers",
            list(newest.values()),
            lambda layer: layer.name,
            lambda layer: {
                "LayerName": layer.name,
                "LayerArn": layer.layer_arn,
                "LatestMatchingVersion": _brief(layer),
            },
            params,
        )

    def list_layer_versions(self, call: Call, params: Params) -> Result:
        account, region, name = locate_layer(call, params["LayerName"])
        versions = [
            layer
            for layer in self._core.directory.layers_of(account, region)
            if layer.name == name
            and _compatible(layer, params)
            and (account == call.account or shared_with(layer, call.account))
        ]
        versions.reverse()  # newest first
        return paged("LayerVersions", versions, lambda v: f"{10**12 - v.version:013d}", _brief, params)

    def delete_layer_version(self, call: Call, params: Params) -> Result:
        _check_number(params["VersionNumber"])
        account, region, name = locate_layer(call, params["LayerName"])
        if account != call.account:
            raise errors.not_authorized(call.principal_arn, "lambda:DeleteLayerVersion", params["LayerName"])
        key = (account, region, name, params["VersionNumber"])
        with self._core.store.write() as session:
            row = session.get(LambdaLayerVersion, key)
            if row is not None:
                # Functions that use it go on as they are; nobody new can name it.
                row.deleted = True
        self._core.directory.reload_layer(key)
        return {}

    def _find(self, call: Call, name: str, number: int) -> LayerVersion:
        account, region, plain = locate_layer(call, name)
        layer = self._core.directory.layers.get((account, region, plain, number))
        if account != call.account and (layer is None or not shared_with(layer, call.account)):
            raise errors.not_authorized(
                call.principal_arn,
                "lambda:GetLayerVersion",
                f"arn:aws:lambda:{region}:{account}:layer:{plain}:{number}",
            )
        if layer is None or layer.deleted:
            raise errors.missing(errors.NO_RESOURCE)
        return layer

    def _whole(self, call: Call, layer: LayerVersion) -> Result:
        return {
            "Content": {
                "Location": downloads.layer_location(self._core, call, layer),
                "CodeSha256": base64_sha256(layer.code, None),
                "CodeSize": layer.code_size,
            },
            "LayerArn": layer.layer_arn,
            **_brief(layer),
        }


def _brief(layer: LayerVersion) -> Result:
    result: Result = {
        "LayerVersionArn": layer.arn,
        "Version": layer.version,
        "Description": layer.description,
        "CreatedDate": timestamp(layer.created),
    }
    if layer.runtimes:
        result["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        result["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license:
        result["LicenseInfo"] = layer.license
    return result


def _compatible(layer: LayerVersion, params: Params) -> bool:
    """Whether a layer version passes a list's filters. One that names nothing fits nothing asked for."""
    runtime, architecture = params.get("CompatibleRuntime"), params.get("CompatibleArchitecture")
    return (not runtime or runtime in layer.runtimes) and (
        not architecture or architecture in layer.architectures
    )


def _check_number(number: int) -> None:
    if number < 1:
        raise errors.invalid("Layer Version Cannot be less than 1")
