"""Other firewalls on this machine (Docker's, ufw's, firewalld's) that would drop what instances send.

An `accept` in one nftables table does not outvote a `drop` in another. So chains that drop by default what is
forwarded or comes in get rules at their top that leave instances' interfaces to our own table, and lose them
again when this server lets go of the network.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from typing import Any

from undercast.network.libnftables import FilterError, Nftables
from undercast.network.model import VIF_PREFIX

log = logging.getLogger(__name__)

COMMENT = "undercast instances"


@dataclass(frozen=True, slots=True)
class _Chain:
    family: str
    table: str
    name: str
    hook: str

    @property
    def where(self) -> str:
        return f"{self.family} {self.table} {self.name}"


def make_way(tables: Nftables) -> None:
    """Let instances' packets pass by the other firewalls. Does nothing where it was done before."""
    for chain in _droppers(tables):
        if _own_rules(tables, chain):
            continue
        matches = [f'iifname "{VIF_PREFIX}*"']
        if chain.hook == "forward":
            matches.append(f'oifname "{VIF_PREFIX}*"')
        for match in matches:
            try:
                tables.run(f'insert rule {chain.where} {match} accept comment "{COMMENT}"')
            except FilterError as error:
                log.warning(
                    "the firewall chain %s may keep instances from the network: %s", chain.where, error
                )


def give_back(tables: Nftables) -> None:
    """Take our rules out of the other firewalls."""
    for chain in _droppers(tables):
        for handle in _own_rules(tables, chain):
            with contextlib.suppress(FilterError):  # somebody reloaded that firewall meanwhile
                tables.run(f"delete rule {chain.where} handle {handle}")


def _droppers(tables: Nftables) -> list[_Chain]:
    """Chains of others that drop by default, or end in a refusal as firewalld's do."""
    found = []
    for item in _listed(tables, "list chains"):
        chain = item.get("chain", {})
        family, table = str(chain.get("family")), str(chain.get("table"))
        if family not in ("ip", "inet") or table.startswith("undercast_"):
            continue
        if chain.get("hook") in ("forward", "input") and (
            chain.get("policy") == "drop" or table == "firewalld"
        ):
            found.append(_Chain(family, table, str(chain["name"]), str(chain["hook"])))
    return found


def _own_rules(tables: Nftables, chain: _Chain) -> list[int]:
    items = _listed(tables, f"list chain {chain.where}")
    rules = [item["rule"] for item in items if "rule" in item]
    return [int(rule["handle"]) for rule in rules if rule.get("comment") == COMMENT]


def _listed(tables: Nftables, command: str) -> list[dict[str, Any]]:
    try:
        listed: list[dict[str, Any]] = json.loads(tables.run(command, as_json=True))["nftables"]
    except (FilterError, ValueError, KeyError) as error:
        log.debug("%s: %s", command, error)
        return []
    return listed
