"""Finding the records an operation names, and answering a Describe from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from undercast.services.base import AwsError, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page


def need(view: Change, kind: str, id: str | None) -> Record:
    """The record; raises AWS's error when the id is malformed or names nothing."""
    if not id:
        raise AwsError("MissingParameter", f"The request must contain the parameter {_PARAMETERS[kind]}")
    ids.check(kind, id)
    record = view.get(kind, id)
    if record is None:
        raise ids.not_found(kind, id)
    return record


def chosen(view: Change, kind: str, wanted: Iterable[str] | None) -> list[Record]:
    """The records named, or all of the kind when none is. Raises AWS's error for those that are not there."""
    named = list(dict.fromkeys(wanted or ()))
    if not named:
        return view.all(kind)
    ids.check(kind, *named)
    found = {id: view.get(kind, id) for id in named}
    missing = [id for id, record in found.items() if record is None]
    if missing:
        raise ids.not_found(kind, *missing)
    return [record for record in found.values() if record is not None]


def describe(
    view: Change,
    params: Params,
    kind: str,
    *,
    ids_in: str,
    answer_in: str,
    id: str,
    filters: Filters,
    show: Callable[[Record], Record] = visible,
    rename: Callable[[Record], Record] | None = None,
) -> Result:
    """A Describe operation.

    `ids_in` is the parameter with the ids, `answer_in` the member of the answer, `id` the member that is the
    id in a record. `show` turns a record into what filters and callers see; `rename` is applied last, to what
    callers see alone.
    """
    dry_run(params)
    not_with_ids(params, ids_in, ids_in[0].lower() + ids_in[1:])
    records = [show(record) for record in chosen(view, kind, params.get(ids_in))]
    selected, token = page(filters.select(records, params.get("Filters")), params, lambda r: str(r[id]))
    return answer(answer_in, [rename(record) for record in selected] if rename else selected, token)


def dependent(kind_word: str, id: str) -> AwsError:
    """AWS's error for something that others still need."""
    return AwsError("DependencyViolation", f"The {kind_word} '{id}' has dependencies and cannot be deleted.")


def missing(parameter: str) -> AwsError:
    """AWS's error for a parameter that has to be there."""
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}")


def invalid(parameter: str, value: Any, why: str) -> AwsError:
    """AWS's error for a value that cannot be."""
    return AwsError(
        "InvalidParameterValue", f"Value ({value}) for parameter {parameter} is invalid. {why}".rstrip()
    )


_PARAMETERS = {
    "dhcp-options": "dhcpOptionsId",
    "elastic-ip": "allocationId",
    "internet-gateway": "internetGatewayId",
    "natgateway": "natGatewayId",
    "network-acl": "networkAclId",
    "network-interface": "networkInterfaceId",
    "prefix-list": "prefixListId",
    "route-table": "routeTableId",
    "security-group": "groupId",
    "subnet": "subnetId",
    "vpc": "vpcId",
}
