"""EventBridge Schemas: the registry in which shareable test events live."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from support import Account

REGISTRY = "lambda-testevent-schemas"


def test_a_schema_has_versions(account: Account) -> None:
    schemas = account.client("schemas")
    named = {"RegistryName": REGISTRY, "SchemaName": "_f-schema"}
    with pytest.raises(schemas.exceptions.NotFoundException):
        schemas.create_schema(**named, Type="OpenApi3", Content="{}")
    assert schemas.create_registry(RegistryName=REGISTRY)["RegistryArn"].endswith(f":registry/{REGISTRY}")
    with pytest.raises(schemas.exceptions.ConflictException):
        schemas.create_registry(RegistryName=REGISTRY)
    schemas.create_schema(**named, Type="OpenApi3", Content='{"a": 1}')
    assert schemas.update_schema(**named, Content='{"a": 2}')["SchemaVersion"] == "2"
    assert schemas.describe_schema(**named)["Content"] == '{"a": 2}'
    assert schemas.describe_schema(**named, SchemaVersion="1")["Content"] == '{"a": 1}'
    assert schemas.list_schemas(RegistryName=REGISTRY)["Schemas"][0]["VersionCount"] == 2
    with pytest.raises(ClientError) as error:
        schemas.delete_registry(RegistryName=REGISTRY)
    assert error.value.response["Error"]["Code"] == "BadRequestException"
    schemas.delete_schema(**named)
    schemas.delete_registry(RegistryName=REGISTRY)
    assert schemas.list_registries()["Registries"] == []
