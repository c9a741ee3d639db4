"""Tags of APIs, stages and custom domain names."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.domain_names import domain
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import Call, Params, Result
from undercast.store.store import Store
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart, HttpDomainName

_ARN = re.compile(r"arn:aws[a-z-]*:apigateway:(?P<region>[a-z0-9-]+)::/(?P<resource>.+)")
_MAX_TAGS = 50

Tagged = HttpApi | HttpApiPart | HttpDomainName


class Tags:
    """The operations on tags."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_tags(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return {"Tags": _read(_resource(session, call, params["ResourceArn"]))}

    def tag_resource(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            row = _resource(session, call, params["ResourceArn"])
            _assign(row, check({**_read(row), **params.get("Tags", {})}))
        return {}

    def untag_resource(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            row = _resource(session, call, params["ResourceArn"])
            gone = set(params["TagKeys"])
            _assign(row, {key: value for key, value in _read(row).items() if key not in gone})
        return {}


def check(tags: dict[str, str]) -> dict[str, str]:
    """The tags. Raises BadRequestException when a tag breaks AWS's rules."""
    if len(tags) > _MAX_TAGS:
        raise bad_request(f"The number of tags exceeds the limit of {_MAX_TAGS}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise bad_request(f"Invalid tag key: {key}")
        if len(value) > 256:
            raise bad_request(f"Invalid tag value for key: {key}")
    return tags


def _resource(session: Session, call: Call, arn: str) -> Tagged:
    match = _ARN.fullmatch(unquote(arn))
    if match is None or match["region"] != call.region:
        raise bad_request("Invalid ARN specified in the request")
    match match["resource"].split("/"):
        case ["apis", api_id]:
            return records.api(session, call, api_id)
        case ["apis", api_id, "stages", name]:
            return records.part(session, records.api(session, call, api_id), "stage", name)
        case ["domainnames", name]:
            return domain(session, call, name)
    raise bad_request("Invalid ARN specified in the request")


def _read(row: Tagged) -> dict[str, str]:
    tags: dict[str, str] = row.members.get("Tags", {}) if isinstance(row, HttpApiPart) else row.tags
    return tags


def _assign(row: Tagged, tags: dict[str, str]) -> None:
    if isinstance(row, HttpApiPart):
        row.members = {**row.members, "Tags": tags}
    else:
        row.tags = tags
