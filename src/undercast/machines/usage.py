"""What machines have used so far: processor time, memory, traffic, as Incus counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from undercast.machines.incus import Incus


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters since its start: nanoseconds of processor time, bytes. `memory` is bytes in use now."""

    cpu_ns: int
    received: int
    sent: int
    memory: int


async def usage(incus: Incus) -> dict[str, Usage]:
    """The usage of every machine that runs, by its name. Reads cgroups and counters: a few ms per machine."""
    found = await incus.get("/1.0/instances", recursion="2")
    return {
        one["name"]: _read(one["state"]) for one in found if one.get("status") == "Running" and one["state"]
    }


def _read(state: Mapping[str, Any]) -> Usage:
    counters = [
        interface["counters"] for name, interface in (state.get("network") or {}).items() if name != "lo"
    ]
    return Usage(
        cpu_ns=max(int(state["cpu"]["usage"]), 0),
        received=sum(int(each["bytes_received"]) for each in counters),
        sent=sum(int(each["bytes_sent"]) for each in counters),
        memory=max(int(state["memory"]["usage"]), 0),
    )
