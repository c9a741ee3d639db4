"""All APIs and custom domain names in memory. Requests read it; changes replace whole entries of it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.network import endpoints
from undercast.services.apigatewayv2.serving import compiled
from undercast.store.store import Store
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiMapping, HttpApiPart, HttpDomainName

log = logging.getLogger(__name__)

_PATH_FORM = "/_aws/execute-api/"


@dataclass(slots=True)
class Domain:
    """A custom domain name: its mappings, the longest key first, as (key, API, stage)."""

    mappings: list[tuple[str, str, str]]


@dataclass(slots=True)
class Located:
    """Where a request leads: the stage (None: nowhere), the path there as sent, and the mapping's key."""

    stage: compiled.Stage | None
    path: str = "/"
    base_path: str | None = None
    host: str = ""


_NOWHERE = Located(None)


class Directory:
    """What is served under which name. Read on the event loop, refreshed from worker threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._apis: dict[str, compiled.Api] = {}
        self._domains: dict[str, Domain] = {}
        # A refresh reads and swaps under it, so that the last one to swap has read the latest.
        self._lock = threading.Lock()

    def load(self) -> dict[str, str]:
        """Read everything anew. Returns the region of every API."""
        with self._store.read() as session:
            rows = [(row.api_id, row.region) for row in session.scalars(select(HttpApi))]
        for api_id, _ in rows:
            self.refresh(api_id)
        gone = set(self._apis) - {api_id for api_id, _ in rows}
        for api_id in gone:
            self._apis.pop(api_id, None)
        self.refresh_domains()
        return dict(rows)

    def refresh(self, api_id: str) -> None:
        """Take over an API as it is in the store now."""
        with self._lock, self._store.read() as session:
            row = session.get(HttpApi, api_id)
            if row is None:
                self._apis.pop(api_id, None)
            else:
                self._apis[api_id] = _compile(session, row)

    def refresh_domains(self) -> None:
        """Take over all custom domain names and mappings as they are in the store now."""
        with self._lock, self._store.read() as session:
            domains: dict[str, Domain] = {}
            for row in session.scalars(select(HttpDomainName)):
                target = row.members["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
                domains[row.domain_name] = domains[target] = Domain([])
            for mapping in session.scalars(select(HttpApiMapping)):
                domains[mapping.domain_name].mappings.append((mapping.key, mapping.api_id, mapping.stage))
            for domain in domains.values():
                domain.mappings.sort(key=lambda one: len(one[0]), reverse=True)
            self._domains = domains

    def owns(self, host: str, path: str) -> bool:
        """Whether a request with this Host header and path is for an HTTP API."""
        name = _without_port(host)
        return (
            path.startswith(_PATH_FORM)
            or endpoints.split_host("execute-api", name) is not None
            or self._domain(name) is not None
        )

    def locate(self, host: str, path: str) -> Located | None:
        """Where a request leads, or None when it is for no HTTP API. `path` is as sent, without the query."""
        if (split := endpoints.split_path("execute-api", path)) is not None:
            identifier, rest = split
            return self._in_api(identifier, rest or "/", None)
        name = _without_port(host)
        if (domain := self._domain(name)) is not None:
            return self._in_domain(domain, path, name)
        if (api_id := endpoints.split_host("execute-api", name)) is not None:
            return self._in_api(api_id, path, name)
        return None

    def _domain(self, name: str) -> Domain | None:
        if not self._domains:
            return None
        return self._domains.get(name) or self._domains.get("*." + name.partition(".")[2])

    def _in_api(self, api_id: str, path: str, host: str | None) -> Located:
        api = self._apis.get(api_id)
        if api is None:
            return _NOWHERE
        if host is None:
            host = endpoints.name("execute-api", api_id, api.region)
        first, slash, rest = path[1:].partition("/")
        stage = api.stages.get(first) if first and first != "$default" else None
        if stage is not None:
            located = Located(stage, slash + rest or "/", None, host)
        else:
            located = Located(api.stages.get("$default"), path, None, host)
        disabled = located.stage is not None and located.stage.endpoint_disabled
        return _NOWHERE if disabled else located

    def _in_domain(self, domain: Domain, path: str, host: str) -> Located:
        for key, api_id, stage in domain.mappings:
            prefix = f"/{key}" if key else ""
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                api = self._apis.get(api_id)
                found = api.stages.get(stage) if api else None
                return Located(found, path[len(prefix) :] or "/", key, host)
        return _NOWHERE


def _without_port(host: str) -> str:
    return host.partition(":")[0].lower()


def _compile(session: Session, row: HttpApi) -> compiled.Api:
    api = compiled.Api(row.api_id, row.account, row.region)
    query = select(HttpApiPart).where(HttpApiPart.api_id == row.api_id, HttpApiPart.kind == "stage")
    for stage in session.scalars(query):
        deployment = None
        if identifier := stage.members.get("DeploymentId"):
            deployment = session.get(HttpApiPart, (row.api_id, "deployment", identifier))
        snapshot = deployment.snapshot if deployment else None
        try:
            api.stages[stage.id] = compiled.stage(api, stage.id, stage.members, snapshot)
        except (KeyError, ValueError):
            # One stage that cannot be served must not take the others with it.
            log.exception("stage %s of API %s cannot be served", stage.id, row.api_id)
    return api
