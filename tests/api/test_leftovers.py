"""What killed servers leave on this machine is removed by whichever server starts next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lambda_support import Lambda
from leftover_support import left, watched
from support import Server, unique, wait_until
from undercast.functions import locks

pytestmark = [pytest.mark.needs_root, pytest.mark.usefixtures("needs_root")]

COUNTER = """
import os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return [os.stat("/proc/self/ns/pid").st_ino, calls]
"""


FREEZER = Path("/sys/fs/cgroup/freezer")  # version 1, where what is frozen does not die


def kill_with_all_helpers(server: Server) -> None:
    """As whoever ends a whole session does: nobody is left to thaw what is frozen, and to clean up."""
    assert server.process is not None
    for host_id in watched(server.data):
        for state in FREEZER.glob(f"undercast-{host_id}/*/freezer.state"):
            state.write_text("FROZEN")
    pid = server.process.pid
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for one in (pid, *children):
        os.kill(one, signal.SIGKILL)
    server.stop(kill=True)


def kinds(server: Server) -> set[str]:
    """What kinds of things of a server are there."""
    return {line.split()[0] for line in left(watched(server.data))}


def test_whoever_starts_removes_what_killed_servers_left(
    server: Server, start_server: Callable[..., Server], data_root: Path
) -> None:
    living = Lambda(server.account_factory())
    counter = living.create(COUNTER)
    environment, _ = living.invoke(counter).result
    before = {line for line in left(watched(server.data)) if line.startswith(("nft", "cgroup", "/run"))}
    assert before

    dead = start_server()
    fn = Lambda(dead.account_factory())
    name = fn.create(COUNTER)
    assert fn.invoke(name).result
    fn.client.create_function_url_config(FunctionName=name, AuthType="NONE")
    kill_with_all_helpers(dead)
    stays = {"nftables", "cgroup", "names"} | ({"process", "link", "loop"} if FREEZER.exists() else set())
    assert kinds(dead) >= stays

    with ThreadPoolExecutor(2) as threads:  # at once: each wants to be the one
        list(threads.map(lambda name: start_server(data_root / name), (unique("next"), unique("next"))))
    wait_until(lambda: not kinds(dead), 15, "the end of what the killed server left")

    assert before <= set(left(watched(server.data)))
    assert living.invoke(counter).result == [environment, 2], "the environment of a living server"


def test_a_lock_has_one_holder_and_no_file_without_one(tmp_path: Path) -> None:
    path = tmp_path / "functions-aaaaaa.lock"
    inside: list[int] = []

    def come_and_go(number: int) -> int:
        taken = 0
        for _ in range(200):
            try:
                lock = locks.Lock(path, "aaaaaa")
            except locks.Taken:
                continue
            inside.append(number)
            assert inside == [number]
            assert locks.signature(path) == "aaaaaa"
            taken += 1
            inside.pop()
            lock.close()
        return taken

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(come_and_go, range(8))) > 0
    assert not path.exists()


def test_a_starting_server_waits_for_who_cleans_up_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RUN", tmp_path)
    cleaning = locks.Lock(locks.life("aaaaaa"))
    with pytest.raises(locks.Taken):
        locks.take_life("aaaaaa", 0.05)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(locks.take_life, "aaaaaa", 5)
        assert not starting.done()
        cleaning.close()
        starting.result(5).close()
    assert list(tmp_path.iterdir()) == []
