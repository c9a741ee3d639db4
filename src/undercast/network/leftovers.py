"""What killed servers left of the instance network. Instances outlive their server, and so does their filter;
what filters nothing goes.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from undercast.network import incus_rules, other_firewalls
from undercast.network.libnftables import Nftables
from undercast.network.model import VIF_PREFIX, Address, Cidr, vif_prefix
from undercast.network.owner import LOCK, Owner
from undercast.network.routes import Routes

_TABLE = re.compile(r"^table inet undercast_([0-9a-f]{6})$", re.M)


class Filters:
    """The filters on this machine, and whose they are.

    A filter stays as long as its server's data folder: its instances may be stopped now and run again before
    their server does. So beside each filter there is a file that names the folder, in /run as the kernel
    forgets the filters at a reboot as well. Only the owner of the network may use this.
    """

    def __init__(self, lock: Path = LOCK) -> None:
        self._folder = lock.parent / "filters"

    def remember(self, host_id: str, data: Path) -> None:
        """Say whose a filter is, before it is made. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        (self._folder / host_id).write_text(f"{data}\n")

    def remove(self, tables: Nftables, host_id: str) -> None:
        """Take a filter away; none is no error. Raises FilterError."""
        tables.run(f"table inet undercast_{host_id} {{ }}\ndelete table inet undercast_{host_id}")
        (self._folder / host_id).unlink(missing_ok=True)

    def sweep(self, tables: Nftables) -> None:
        """Take away the filters of servers whose data folder is gone, and their instances as well.

        Raises FilterError.
        """
        there = {name[: len(vif_prefix("000000"))] for _, name in socket.if_nameindex()}
        found = set(_TABLE.findall(tables.run("list tables")))
        if self._folder.is_dir():
            found |= {path.name for path in self._folder.iterdir()}
        for host_id in found:
            if self._orphaned(host_id) and vif_prefix(host_id) not in there:
                self.remove(tables, host_id)

    def _orphaned(self, host_id: str) -> bool:
        try:
            return not Path((self._folder / host_id).read_text().strip()).is_dir()
        except FileNotFoundError:
            return True


def sweep(node: Address, pool: Cidr, *, lock: Path = LOCK) -> None:
    """Undo what a killed server did to this machine's network, as far as no instance uses it.

    Does nothing while a server owns the network. Raises OSError, FilterError.
    """
    owner = Owner(lock)
    if owner.acquire(f"pid {os.getpid()}, cleaning up") is not None:
        return
    try:
        tables = Nftables()
        try:
            Filters(lock).sweep(tables)
            incus_rules.sweep(tables)
            routes = Routes(VIF_PREFIX)
            try:
                if not routes.vifs():
                    incus_rules.remove_empty(tables)
                    routes.shut(node, pool, pool_on_lan=False)
                    other_firewalls.give_back(tables)
            finally:
                routes.close()
        finally:
            tables.close()
    finally:
        owner.release()
