"""Custom domain names. Undercast serves them by the Host header, over plain HTTP like all it serves."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import botocore.loaders
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from undercast.network import endpoints
from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.errors import bad_request, conflict, not_found, unsupported
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApiMapping, HttpDomainName

if TYPE_CHECKING:
    from undercast.cloud import Cloud

_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Names that can never be somebody's on the Internet (RFC 6761). Only these go into the hosts file: pointing
# a real name at this machine would take it from everyone here.
_OURS_TO_RESOLVE = (".localhost", ".test", ".example", ".invalid")
_HOSTED_ZONE = "Z1UJRXOUMOOFQ8"
_EDITABLE = (
    "CertificateArn",
    "CertificateName",
    "EndpointType",
    "IpAddressType",
    "OwnershipVerificationCertificateArn",
    "SecurityPolicy",
)


class DomainNames:
    """The operations on custom domain names."""

    def __init__(self, cloud: Cloud, directory: Directory) -> None:
        self._cloud = cloud
        self._store = cloud.store
        self._directory = directory

    def create_domain_name(self, call: Call, params: Params) -> Result:
        name = params["DomainName"].lower()
        _check_name(name)
        _refuse(params)
        given = params.get("DomainNameConfigurations") or []
        if len(given) != 1:
            raise bad_request("Exactly one domain name configuration is required")
        with self._store.write() as session:
            if session.get(HttpDomainName, name) is not None:
                raise conflict("The domain name you provided already exists.")
            target = endpoints.name("execute-api", f"d-{records.new_id(10)}", call.region)
            row = HttpDomainName(
                domain_name=name,
                account=call.account,
                region=call.region,
                created=time.time(),
                members={"DomainNameConfigurations": [_configuration(target, given[0])]},
                tags=params.get("Tags") or {},
            )
            session.add(row)
        self.announce([row])
        self._directory.refresh_domains()
        return show(row)

    def get_domain_name(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return show(domain(session, call, params["DomainName"]))

    def get_domain_names(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            query = select(HttpDomainName).where(
                HttpDomainName.account == call.account, HttpDomainName.region == call.region
            )
            rows = list(session.scalars(query))
        return records.page(rows, lambda row: row.domain_name, params, show)

    def update_domain_name(self, call: Call, params: Params) -> Result:
        _refuse(params)
        with self._store.write() as session:
            row = domain(session, call, params["DomainName"])
            if given := params.get("DomainNameConfigurations"):
                before = row.members["DomainNameConfigurations"][0]
                after = _configuration(before["ApiGatewayDomainName"], {**before, **given[0]})
                row.members = {**row.members, "DomainNameConfigurations": [after]}
            return show(row)

    def delete_domain_name(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            row = domain(session, call, params["DomainName"])
            session.delete(row)
        self._cloud.hosts.remove([row.domain_name, target(row)])
        self._directory.refresh_domains()
        return {}

    def announce(self, rows: list[HttpDomainName]) -> None:
        """Let the names resolve on this machine, as far as they are ours."""
        address = endpoints.address(self._cloud)
        if address is None:
            return
        names = {target(row) for row in rows}
        names |= {row.domain_name for row in rows if row.domain_name.endswith(_OURS_TO_RESOLVE)}
        self._cloud.hosts.add({name: address for name in names if not name.startswith("*")})


def domain(session: Session, call: Call, name: str) -> HttpDomainName:
    """The caller's domain name. Raises NotFoundException."""
    row = session.get(HttpDomainName, name.lower())
    if row is None or row.account != call.account or row.region != call.region:
        raise not_found("The domain name resource specified in the request was not found.", "DomainName")
    return row


def target(row: HttpDomainName) -> str:
    """The name under which API Gateway itself knows the domain."""
    found: str = row.members["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    return found


def show(row: HttpDomainName) -> Result:
    """A domain name as the API shows it."""
    return {
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": row.domain_name,
        "DomainNameArn": f"arn:aws:apigateway:{row.region}::/domainnames/{row.domain_name}",
        "RoutingMode": "API_MAPPING_ONLY",
        "Tags": row.tags,
        **row.members,
    }


def all_rows(session: Session) -> list[HttpDomainName]:
    """Every domain name of this cloud."""
    return list(session.scalars(select(HttpDomainName)))


def delete_everything(session: Session, account: str) -> list[str]:
    """Delete all domain names of an account, and tell which names those were."""
    rows = session.scalars(select(HttpDomainName).where(HttpDomainName.account == account)).all()
    session.execute(delete(HttpApiMapping).where(HttpApiMapping.account == account))
    session.execute(delete(HttpDomainName).where(HttpDomainName.account == account))
    return [name for row in rows for name in (row.domain_name, target(row))]


def _check_name(name: str) -> None:
    """Raise BadRequestException for what is no name, and for names under which the cloud itself is called."""
    if len(name) > 253 or not _NAME.fullmatch(name) or name.rpartition(".")[2].isdecimal():
        raise bad_request("The provided domain name is invalid")
    ours = name.endswith((".localhost", ".amazonaws.com"))
    if ours and (name.count(".") == name.count("*") or set(name.split(".")) & _service_labels()):
        raise bad_request(f"The domain name {name} is reserved for the cloud itself")


@lru_cache(maxsize=1)
def _service_labels() -> frozenset[str]:
    """What the hosts of AWS's own endpoints are made of."""
    services = botocore.loaders.Loader().list_available_services("service-2")
    return frozenset({*services, "amazonaws", "execute-api", "lambda-url"})


def _configuration(target_name: str, given: dict[str, Any]) -> dict[str, Any]:
    kept = {name: given[name] for name in _EDITABLE if given.get(name)}
    certificate = kept.get("CertificateArn", "")
    if not certificate.startswith("arn:aws") or ":acm:" not in certificate:
        raise bad_request("Certificate ARN is required and must be the ARN of an ACM certificate")
    if kept.setdefault("EndpointType", "REGIONAL") != "REGIONAL":
        raise bad_request("EndpointType must be REGIONAL for HTTP APIs")
    if kept.setdefault("SecurityPolicy", "TLS_1_2") != "TLS_1_2":
        raise bad_request("SecurityPolicy must be TLS_1_2")
    kept.setdefault("IpAddressType", "ipv4")
    return {
        "ApiGatewayDomainName": target_name,
        "DomainNameStatus": "AVAILABLE",
        "HostedZoneId": _HOSTED_ZONE,
        **kept,
    }


def _refuse(params: Params) -> None:
    if params.get("MutualTlsAuthentication"):
        raise unsupported("Mutual TLS authentication")
    if params.get("RoutingMode", "API_MAPPING_ONLY") != "API_MAPPING_ONLY":
        raise unsupported(f"The routing mode {params['RoutingMode']}", "Use API_MAPPING_ONLY.")
