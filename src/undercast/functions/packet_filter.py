"""What environments may reach: the internet and the networks around this machine, and nothing of the machine
itself.

One nftables table per server, named by its host id, with rules over the names of interfaces: nothing has to
change when an environment comes or goes. Everything from an environment to an address of this host is dropped
on the way in (the listeners of an environment are in its own network), everything to another environment, to
link-local addresses (instance metadata) and with a borrowed source address on the way through. Answers come
back only to connections that an environment opened.
"""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

from undercast.functions import netlink
from undercast.functions.env_network import SPACE, interface_prefix

_TIMEOUT_S = 10
_TABLE = "undercast_functions_"


class FilterUnavailable(Exception):
    """The packet filter could not be set; the text says why."""


def table(host_id: str) -> str:
    return f"{_TABLE}{host_id}"


def ruleset(host_id: str, block: IPv4Network) -> str:
    """The table, replacing an earlier one atomically."""
    name, cable = table(host_id), f'"{interface_prefix(host_id)}*"'
    return f"""
table inet {name}
delete table inet {name}
table inet {name} {{
    chain input {{
        type filter hook input priority -5; policy accept;
        iifname {cable} drop
    }}
    chain forward {{
        type filter hook forward priority -5; policy accept;
        iifname {cable} meta nfproto != ipv4 drop
        iifname {cable} ip saddr != {block} drop
        iifname {cable} ip daddr {{ 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3, {SPACE} }} drop
        iifname {cable} oifname {cable} drop
        oifname {cable} ct state established,related accept
        oifname {cable} drop
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {block} oifname != {cable} masquerade
    }}
}}
"""


def _nft(arguments: list[str], text: str | None = None) -> None:
    program = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")
    if program is None:
        raise FilterUnavailable("nft is not installed (Debian package nftables)")
    try:
        subprocess.run(
            [program, *arguments], input=text, text=True, check=True, capture_output=True, timeout=_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise FilterUnavailable(f"nft: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FilterUnavailable(f"nft: {error}") from error


def apply(host_id: str, block: IPv4Network) -> None:
    """Sets the table and lets the host forward.

    Raises FilterUnavailable; then no environment may have a cable.
    """
    _nft(["-f", "-"], ruleset(host_id, block))
    try:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    except OSError as error:
        raise FilterUnavailable(f"cannot turn on forwarding of packets: {error.strerror}") from error


def remove(*host_ids: str) -> None:
    """Removes the tables of these servers, as far as there are any."""
    tables = [table(host_id) for host_id in host_ids]
    _nft(["-f", "-"], "".join(f"table inet {name}\ndelete table inet {name}\n" for name in tables))


def host_ids() -> set[str]:
    """Whose tables there are. Raises OSError."""
    tables = netlink.inet_tables()
    return {name.removeprefix(_TABLE) for name in tables if name.startswith(_TABLE)}
