"""API mappings: which path of a custom domain name leads to which stage."""

from __future__ import annotations

import re
import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.domain_names import domain
from undercast.services.apigatewayv2.errors import bad_request, conflict, not_found, too_many
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.base import Call, Params, Result
from undercast.store.store import Store
from undercast.store.tables.apigatewayv2 import HttpApiMapping

_KEY = re.compile(r"[A-Za-z0-9._$@!*'()+-]+(/[A-Za-z0-9._$@!*'()+-]+)*")
_MAX_KEY = 300
_QUOTA = 200  # mappings per domain name


class Mappings:
    """The operations on API mappings."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    def create_api_mapping(self, call: Call, params: Params) -> Result:
        key = params.get("ApiMappingKey") or ""
        with self._store.write() as session:
            owner = domain(session, call, params["DomainName"])
            _check_key(key)
            _check_stage(session, call, params["ApiId"], params["Stage"])
            others = _all(session, owner.domain_name)
            if any(other.key == key for other in others):
                raise conflict("ApiMapping key already exists for this domain name")
            if len(others) >= _QUOTA:
                raise too_many(f"Maximum number of ApiMappings has been reached. Limit: {_QUOTA}")
            row = HttpApiMapping(
                id=records.new_id(6),
                domain_name=owner.domain_name,
                account=call.account,
                region=call.region,
                created=time.time(),
                key=key,
                api_id=params["ApiId"],
                stage=params["Stage"],
            )
            session.add(row)
        self._directory.refresh_domains()
        return show(row)

    def get_api_mapping(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return show(_mapping(session, call, params))

    def get_api_mappings(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            rows = _all(session, domain(session, call, params["DomainName"]).domain_name)
        return records.page(rows, lambda row: f"{row.created:017.6f}/{row.id}", params, show)

    def update_api_mapping(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            row = _mapping(session, call, params)
            api_id, stage = params.get("ApiId") or row.api_id, params.get("Stage") or row.stage
            _check_stage(session, call, api_id, stage)
            row.api_id, row.stage = api_id, stage
            if (key := params.get("ApiMappingKey")) is not None and key != row.key:
                _check_key(key)
                if any(other.key == key for other in _all(session, row.domain_name)):
                    raise conflict("ApiMapping key already exists for this domain name")
                row.key = key
        self._directory.refresh_domains()
        return show(row)

    def delete_api_mapping(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            session.delete(_mapping(session, call, params))
        self._directory.refresh_domains()
        return {}


def show(row: HttpApiMapping) -> Result:
    """A mapping as the API shows it."""
    return {"ApiId": row.api_id, "ApiMappingId": row.id, "ApiMappingKey": row.key, "Stage": row.stage}


def _all(session: Session, domain_name: str) -> list[HttpApiMapping]:
    return list(session.scalars(select(HttpApiMapping).where(HttpApiMapping.domain_name == domain_name)))


def _mapping(session: Session, call: Call, params: Params) -> HttpApiMapping:
    owner = domain(session, call, params["DomainName"])
    row = session.get(HttpApiMapping, params["ApiMappingId"])
    if row is None or row.domain_name != owner.domain_name:
        raise not_found("The api mapping resource specified in the request was not found.", "ApiMapping")
    return row


def _check_stage(session: Session, call: Call, api_id: str, stage: str) -> None:
    records.part(session, records.api(session, call, api_id), "stage", stage)


def _check_key(key: str) -> None:
    if key == "":
        return
    if key.startswith("/") or "//" in key:
        raise bad_request("API mapping key should not start with a '/' or have consecutive '/'s.")
    if key.endswith("/"):
        raise bad_request("API mapping key should not end with a '/'.")
    if not _KEY.fullmatch(key) or len(key) > _MAX_KEY:
        raise bad_request("API mapping key contains invalid characters or is too long.")
