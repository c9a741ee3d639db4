"""The console's terminal on a real instance."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from socket import SHUT_RDWR

import pytest
from servers_support import Renter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from support import terminal_url, wait_until
from undercast.settings import Settings


def shown(socket: ClientConnection, end: str, timeout: float = 15) -> str:
    """What the terminal shows until a text has come."""
    text = ""
    while end not in text:
        text += socket.recv(timeout=timeout, decode=True)
    return text


def closed(socket: ClientConnection) -> tuple[int, str]:
    """How the server ends it."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            socket.recv(timeout=15)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def traces(renter: Renter) -> list[str]:
    """Files and processes of terminals."""
    prefix = f"undercast-{Settings(data=renter.server.data).host_id}-terminal-"
    files = [str(path) for path in Path(tempfile.gettempdir()).glob(f"{prefix}*")]
    found = subprocess.run(["pgrep", "-f", prefix], capture_output=True, text=True, timeout=5)
    return files + found.stdout.split()


@pytest.mark.timeout(300)  # the instance network may be taken for a while
def test_a_terminal(renter: Renter) -> None:
    [instance_id] = renter.launch()
    renter.wait("running", [instance_id])
    renter.reachable(instance_id)

    url = terminal_url(renter.server, instance=instance_id, user="ec2-user", cols="100", rows="30")
    with connect(url, compression=None, origin=renter.server.url) as socket:
        socket.send(b"stty size; echo $TERM:$(whoami)\n")
        text = shown(socket, "ec2-user\r\n")
        assert "30 100\r\n" in text
        assert "xterm-256color:ec2-user" in text
        assert traces(renter)
        owner = subprocess.run(
            ["ps", "-o", "user=", "-p", traces(renter)[-1]], capture_output=True, text=True, timeout=5
        )
        assert owner.stdout.strip() == "nobody"

        socket.send(json.dumps({"resize": [132, 50]}))
        socket.send("nonsense")
        socket.send('{"resize": ["x", {}]}')
        socket.send(b"stty size\n")
        shown(socket, "50 132\r\n")
        socket.send(b"echo begun; sleep 100\n")
        shown(socket, "begun\r\n")
        socket.send(b"\x03")
        shown(socket, "^C")
        socket.send(b"echo after-$((1+1))\n")
        shown(socket, "after-2\r\n")
        socket.send(b"head -c 2000000 /dev/zero | tr '\\0' x; echo; echo en'd'\n")
        assert shown(socket, "\nend\r\n").count("x") >= 2_000_000
        socket.send(b"exit\n")
        assert closed(socket) == (1000, "The session ended.")
    wait_until(lambda: not traces(renter), 5, "the end of ssh and its files")

    # A browser that vanishes takes all of it along; output that never ends must not stand in the way.
    with connect(url, compression=None) as socket:
        socket.send(b"yes\n")
        shown(socket, "y\r\ny\r\n")
        socket.socket.shutdown(SHUT_RDWR)
    wait_until(lambda: not traces(renter), 5, "the end of ssh and its files")

    with connect(terminal_url(renter.server, instance=instance_id, user="nobody-here")) as socket:
        code, reason = closed(socket)
        assert code == 1008
        assert "no way for keys of nobody-here" in reason
    other = renter.server.account_factory()
    with connect(terminal_url(other, instance=instance_id, user="ec2-user")) as socket:
        assert closed(socket) == (1008, f"Instance not found: {instance_id}")
    renter.ec2.terminate_instances(InstanceIds=[instance_id])
