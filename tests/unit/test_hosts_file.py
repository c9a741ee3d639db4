"""The block of names in the hosts file."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from undercast.network.hosts_file import HostsFile

SYSTEM = "127.0.0.1 localhost\n# a comment\n::1 ip6-localhost"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(SYSTEM)
    path.chmod(0o644)
    return path


def test_names_come_and_go_and_the_rest_stays(hosts: Path) -> None:
    file = HostsFile("aaaaaa", hosts)
    assert file.available
    file.add({"b.localhost": "127.0.0.1", "a.localhost": "127.0.0.1"})
    file.add({"a.localhost": "198.18.0.1"})
    assert hosts.read_text() == (
        f"{SYSTEM}\n# undercast aaaaaa begin {os.getpid()}\n198.18.0.1 a.localhost\n127.0.0.1 b.localhost\n"
        "# undercast aaaaaa end\n"
    )
    file.remove(["b.localhost", "unknown"])
    assert "b.localhost" not in hosts.read_text()
    assert hosts.stat().st_mode & 0o777 == 0o644
    file.close()
    assert hosts.read_text() == f"{SYSTEM}\n"


def test_servers_share_the_file(hosts: Path) -> None:
    files = [HostsFile(f"{number:06x}", hosts) for number in range(4)]

    def fill(file: HostsFile, number: int) -> None:
        for name in range(20):
            file.add({f"n{name}.s{number}.localhost": "127.0.0.1"})

    threads = [threading.Thread(target=fill, args=(file, number)) for number, file in enumerate(files)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    text = hosts.read_text()
    assert all(f" n{name}.s{number}.localhost\n" in text for number in range(4) for name in range(20))
    for file in files[1:]:
        file.close()
    assert "s0.localhost" in hosts.read_text()
    assert "s1.localhost" not in hosts.read_text()
    assert not list(hosts.parent.glob(".hosts.undercast.?????*"))


def test_a_killed_server_is_swept_at_its_next_start(hosts: Path) -> None:
    HostsFile("bbbbbb", hosts).add({"other.localhost": "127.0.0.1"})
    HostsFile("aaaaaa", hosts).add({"old.localhost": "127.0.0.1"})
    HostsFile("aaaaaa", hosts).sweep()
    assert "old.localhost" not in hosts.read_text()
    assert "other.localhost" in hosts.read_text()


def test_blocks_of_dead_processes_go_at_anybodys_start(hosts: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait(10)
    block = "# undercast cccccc begin {pid}\n127.0.0.1 {name}\n# undercast cccccc end\n"
    hosts.write_text(block.format(pid=process.pid, name="dead") + block.format(pid=os.getpid(), name="alive"))
    file = HostsFile("aaaaaa", hosts)
    file.add({"mine": "127.0.0.1"})
    assert "dead" in hosts.read_text()
    file.sweep()
    text = hosts.read_text()
    assert "dead" not in text and "alive" in text and "mine" in text


def test_a_block_without_end_costs_nobody_a_line(hosts: Path) -> None:
    hosts.write_text(f"# undercast aaaaaa begin {os.getpid()}\n10.0.0.1 precious\n")
    HostsFile("aaaaaa", hosts).sweep()
    assert hosts.read_text() == "10.0.0.1 precious\n"


def test_without_the_right_to_write_nothing_happens(hosts: Path) -> None:
    file = HostsFile("aaaaaa", hosts, enabled=False)
    file.add({"a.localhost": "127.0.0.1"})
    assert not file.available
    assert hosts.read_text() == SYSTEM
