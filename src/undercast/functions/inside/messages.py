"""Messages between the server, a zygote and process 1 of an environment.

One SOCK_SEQPACKET message each: JSON, and the descriptors that its member "fds" names in order.
"""

from __future__ import annotations

import array
import json
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DESCRIPTORS = 32  # more than any message carries


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """One message with its descriptors by name, or None when the other side is gone."""
    data, ancillary, _, _ = channel.recvmsg(
        1 << 20, socket.CMSG_SPACE(_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC
    )
    if not data:
        return None
    numbers = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    message: dict[str, Any] = json.loads(data)
    message["fds"] = dict(zip(message.get("fds", ()), numbers))
    return message
