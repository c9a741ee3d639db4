"""What Incus leaves in its own table, `inet incus`, when it dies together with an instance.

Incus makes a chain for each routed interface and removes it when the instance stops. One whose interface has
gone without Incus seeing it would stay for ever, and every packet of this machine would pass it.
"""

from __future__ import annotations

import re
import socket

from undercast.network.libnftables import FilterError, Nftables

_TABLE = "inet incus"
_CHAIN = re.compile(r"^\tchain (prert\.undercast[\w.-]*) \{\n(.*?)^\t\}", re.M | re.S)
_INTERFACE = re.compile(r'iif "([^"]+)"')


def chains(tables: Nftables) -> list[str]:
    """The chains of instances of Undercast. Raises FilterError."""
    return [name for name, _ in _CHAIN.findall(_listed(tables))]


def stale(tables: Nftables) -> list[str]:
    """The chains of instances of Undercast whose interface is not there. Raises FilterError."""
    there = {name for _, name in socket.if_nameindex()}
    # A rule shows the number of an interface that is gone instead of its name.
    return [
        name for name, rules in _CHAIN.findall(_listed(tables)) if not there & set(_INTERFACE.findall(rules))
    ]


def sweep(tables: Nftables) -> None:
    """Remove those chains. Raises FilterError."""
    for name in stale(tables):
        tables.run(f"flush chain {_TABLE} {name}\ndelete chain {_TABLE} {name}")


def remove_empty(tables: Nftables) -> None:
    """Remove the table when nothing is in it any more: Incus makes it anew. Raises FilterError."""
    if _listed(tables).split() == f"table {_TABLE} {{ }}".split():
        tables.run(f"delete table {_TABLE}")


def _listed(tables: Nftables) -> str:
    if f"table {_TABLE}\n" not in tables.run("list tables"):
        return ""
    try:
        return tables.run(f"list table {_TABLE}")
    except FilterError:  # gone meanwhile: its owner is Incus
        return ""
