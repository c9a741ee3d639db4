"""The parts of the sandbox that can be judged without making one."""

from __future__ import annotations

import asyncio
import errno
import struct
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from undercast.functions import base_root, locks, packet_filter, runtimes, seccomp
from undercast.functions.cgroups import Cgroup, CgroupsMissing, Layout, discover
from undercast.functions.env_network import AddressBlock, NoAddresses
from undercast.functions.runtimes import PYTHONS, Runtimes, choose
from undercast.functions.sandboxes import users_of
from undercast.functions.spec import SandboxError
from undercast.functions.tmp_disks import _extents

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = 0x7FFF0000, 0x80000000


def verdict(program: bytes, number: int, *arguments: int, arch: int = X86) -> int | str:
    """What a filter answers to a call: an interpreter of the classic BPF that seccomp accepts."""
    data = struct.pack(
        "=iIQ6Q",
        number if number < 1 << 31 else number - (1 << 32),
        arch,
        0,
        *arguments,
        *[0] * (6 - len(arguments)),
    )
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, yes, no, constant = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, constant)[0]
        elif operation == 0x06:
            return errno.errorcode[constant & 0xFFFF] if constant & 0x7FFF0000 == 0x00050000 else constant
        elif operation == 0x05:
            at += constant
        else:
            true = {
                0x15: accumulator == constant,
                0x35: accumulator >= constant,
                0x45: bool(accumulator & constant),
            }
            at += yes if true[operation] else no


@pytest.mark.parametrize(("machine", "arch", "column"), [("x86_64", X86, 0), ("aarch64", ARM, 1)])
def test_filter_answers_for_every_call(machine: str, arch: int, column: int) -> None:
    program = seccomp.build(machine)
    assert len(program) // 8 < 4096  # BPF_MAXINSNS
    refused = {numbers[column] for numbers in seccomp._REFUSED.values()} - {None}
    absent = {numbers[column] for numbers in seccomp._ABSENT.values()}
    examined = {numbers[column] for numbers, _ in seccomp._EXAMINED.values()}
    for number in range(600):
        answer = verdict(program, number, arch=arch)
        if number in refused:
            assert answer == "EPERM", number
        elif number in absent or number > seccomp.LAST_KNOWN:
            assert answer == "ENOSYS", number
        elif number not in examined:
            assert answer == ALLOW, number
    assert verdict(program, 0, arch=0x40000003) == KILL  # i386 calls on an x86_64 kernel
    assert verdict(program, 0x40000000 | 1, arch=arch) == "ENOSYS"  # x32


def test_filter_examines_arguments() -> None:
    program = seccomp.build("x86_64")
    clone, socket, ioctl, personality = 56, 41, 16, 135
    assert verdict(program, clone, 0x3D0F00) == ALLOW  # a thread
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(program, clone, flag | 17) == "EPERM"
    assert [verdict(program, socket, family, 1, 0) for family in (1, 2, 10, 16)] == [ALLOW] * 4
    assert verdict(program, socket, 16, 3, 12) == "EPERM"
    assert {verdict(program, socket, family, 3, 0) for family in (3, 17, 29, 38, 40, 44)} == {"EAFNOSUPPORT"}
    assert [verdict(program, ioctl, 1, request) for request in (0x5412, 0x541C, 0x5401)] == [
        "EPERM",
        "EPERM",
        ALLOW,
    ]
    assert [verdict(program, personality, p) for p in (0, 0xFFFFFFFF, 0x40000)] == [ALLOW, ALLOW, "EPERM"]
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.build("riscv64")


def test_filter_of_snapshots_asks_the_server() -> None:
    program = seccomp.build("x86_64", snapshot=True)
    clone, unshare, mount, move_mount, umount, setns, ask = 56, 272, 165, 429, 166, 308, 0x7FC00000
    assert {verdict(program, unshare, flags) for flags in (0, 0x10000000, 0x3E020000)} == {ask}
    assert (verdict(program, clone, 0x10000011), verdict(program, clone, 0x3D0F00)) == (ask, ALLOW)
    assert [verdict(program, number) for number in (mount, move_mount)] == [ALLOW, ALLOW]
    assert [verdict(program, number) for number in (umount, setns)] == ["EPERM", "EPERM"]


V1 = "25 1 0:2 / /sys/fs/cgroup/{0} rw - cgroup cgroup rw,{0}"
HYBRID = "\n".join(
    [V1.format(name) for name in ("memory", "pids", "freezer")]
    + ["26 1 0:3 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"]
    + ["27 1 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"]
)


def test_layouts_are_recognised(tmp_path: Path) -> None:
    hybrid = discover(HYBRID)
    assert hybrid.version1["cpu"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert hybrid.freezer == Path("/sys/fs/cgroup/freezer")
    assert Path("/sys/fs/cgroup/unified") not in hybrid.mounts()
    without_freezer = discover("\n".join(line for line in HYBRID.splitlines() if "freezer" not in line))
    assert without_freezer.freezer is None
    assert Path("/sys/fs/cgroup/unified") in without_freezer.mounts()
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    only2 = discover(f"25 1 0:2 / {tmp_path} rw - cgroup2 cgroup2 rw")
    assert (only2.version1, only2.mounts()) == ({}, [tmp_path])
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(CgroupsMissing, match="memory"):
        discover(f"25 1 0:2 / {tmp_path} rw - cgroup2 cgroup2 rw")


def test_version_2_files(tmp_path: Path) -> None:
    """The same limits, in version 2's files and words."""
    group = Cgroup(Layout({}, tmp_path, None), "undercast-x/1")
    directory = tmp_path / "undercast-x" / "1"
    directory.mkdir(parents=True)
    names = (
        "pids.max",
        "cgroup.freeze",
        "cgroup.procs",
        "memory.max",
        "memory.swap.max",
        "memory.oom.group",
        "cpu.max",
    )
    for name in names:
        (directory / name).write_text("")
    group.create(1024)
    group.limit_memory(128)
    group.limit_cpu(128 / 1769)
    group.freeze()
    read = {name: (directory / name).read_text() for name in names}
    assert (read["pids.max"], read["memory.max"], read["memory.swap.max"]) == ("1024", str(128 << 20), "0")
    quota, period = (int(word) for word in read["cpu.max"].split())
    assert quota / period == pytest.approx(128 / 1769, rel=0.01)
    assert read["cgroup.freeze"] == "1"
    group.limit_cpu(None)
    group.thaw()
    assert (directory / "cpu.max").read_text().startswith("max")
    assert (directory / "cgroup.freeze").read_text() == "0"
    (directory / "memory.peak").write_text("5000\n")
    (directory / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n")
    assert (group.memory_peak(), group.out_of_memory_kills()) == (5000, 2)


@pytest.mark.parametrize(
    ("wanted", "offered", "fallback", "expected"),
    [(9, [9, 11], True, 9), (9, [8, 11, 13], True, 11), (9, [11], False, None), (14, [9, 13], True, None)],
)
def test_nearest_newer_version(wanted: int, offered: list[int], fallback: bool, expected: int | None) -> None:
    assert choose(wanted, offered, fallback=fallback) == expected


def test_missing_runtimes_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = {11: Path("/usr/bin/python3.11")}
    monkeypatch.setattr("undercast.functions.runtimes.find_pythons", lambda: only)
    found = Runtimes(tmp_path).found
    assert set(PYTHONS) <= set(found)
    assert found["python3.11"].statement is None
    assert "Python 3.11" in (found["python3.9"].statement or "")
    assert found["python3.9"].interpreter == only[11]
    assert "pyenv" in (found["python3.13"].missing or "")
    strict = Runtimes(tmp_path, fallback=False)
    with pytest.raises(SandboxError, match=r"python3\.9"):
        strict.get("python3.9")
    with pytest.raises(SandboxError, match=r"The runtime ruby3\.3 is not supported"):
        strict.get("ruby3.3")
    assert strict.get("provided.al2023").interpreter is None


def test_a_python_whose_client_cannot_be_had_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a package index, the nearest newer Python that has its client stands in."""
    offered = {minor: Path(f"/x/python3.{minor}") for minor in (9, 10, 11)}
    monkeypatch.setattr(runtimes, "find_pythons", lambda: offered)

    async def output(interpreter: str, *_: str) -> str:
        return f"3.{interpreter.rpartition('.')[2]}.1\n/usr\n"

    async def client(cache: Path, version: str) -> Path:
        if not version.startswith("3.11"):
            raise SandboxError("no index")
        return cache

    monkeypatch.setattr(runtimes, "_output", output)
    monkeypatch.setattr(runtimes.clients, "for_python", client)
    runtime, directory = asyncio.run(Runtimes(tmp_path).prepare("python3.9"))
    assert (runtime.name, runtime.version, directory) == ("python3.9", "3.11.1", tmp_path)
    assert "Python 3.11" in (runtime.statement or "")
    with pytest.raises(SandboxError, match="no index"):
        asyncio.run(Runtimes(tmp_path, fallback=False).prepare("python3.9"))


def test_resolvers_on_loopback_are_passed_over(tmp_path: Path) -> None:
    stub, upstream = tmp_path / "resolv.conf", tmp_path / "upstream.conf"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    upstream.write_text("nameserver 192.0.2.53\nsearch example\n")
    assert base_root.nameservers([stub, upstream]) == "nameserver 192.0.2.53\nsearch example\n"
    assert base_root.nameservers([stub]) == ""
    assert base_root.nameservers([tmp_path / "none"]) == ""


def test_only_what_anyone_may_read_is_masked(tmp_path: Path) -> None:
    for name, mode in (("kcore", 0o400), ("cmdline", 0o444), ("uptime", 0o444)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    (tmp_path / "bus").mkdir()
    assert base_root.masked_paths(tmp_path) == (["/proc/cmdline"], ["/proc/bus"])


def test_base_root_shows_little(tmp_path: Path) -> None:
    plan = base_root.plan(
        tmp_path, argv=["x"], env={}, users=range(5, 7), inside=Path("/i"), client=Path("/c"),
        prefix=Path("/root/.pyenv/versions/3.9.1"), environ={"SSL_CERT_FILE": "/nowhere"},
    )  # fmt: skip
    binds = plan["binds"]
    assert (binds["/var/runtime"], binds["/var/rapid/undercast_inside"]) == ("/c", "/i")
    assert binds["/root/.pyenv/versions/3.9.1"] == "/root/.pyenv/versions/3.9.1"
    shown = (
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/etc/",
        "/var/runtime",
        "/var/rapid/",
        "/root/.pyenv/versions/3.9.1",
    )
    assert all(target.startswith(shown) for target in binds)
    assert plan["files"]["/etc/passwd"].count("sbx_user") == 2
    assert plan["links"]["/var/lang"] == "/root/.pyenv/versions/3.9.1"


def test_servers_do_not_share_users_or_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "RUN", tmp_path)
    assert not set(users_of("000001")) & set(users_of("000002"))
    assert users_of("ffffff").stop < 1 << 31
    first, second = AddressBlock("abcdef"), AddressBlock("abcdef")
    assert not first.network.overlaps(second.network)
    assert first.address(1) in first.network
    with pytest.raises(NoAddresses):
        first.address(first.network.num_addresses)
    taken = first.network
    first.close()
    third = AddressBlock("abcdef")  # the block is free again, and its own choice
    assert third.network == taken
    third.close()
    second.close()


def test_rules_name_only_own_interfaces() -> None:
    rules = packet_filter.ruleset("abc123", IPv4Network("198.19.8.0/21"))
    assert rules.count("table inet undercast_functions_abc123") == 3
    assert '"ufabc123*"' in rules
    assert "masquerade" in rules


def test_extents_leave_holes_out(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb+") as file:
        file.truncate(1 << 20)
        file.seek(8192)
        file.write(b"a" * 5000)
        file.seek(512 << 10)
        file.write(bytes(4096))  # written zeros are as good as a hole
        file.flush()
        found = _extents(file.fileno())
    assert [(offset, len(data)) for offset, data in found] == [(8192, 8192)]
