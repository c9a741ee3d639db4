"""A machine's life: launched, logged in to, stopped, started, changed, removed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_support import Lab

from support import wait_until
from undercast.machines.errors import NotFound, TimedOut
from undercast.machines.spec import EventKind, MachineFile, MachineSpec, Power

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_incus]


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[MachineSpec]:
    """One machine for the tests that leave it running."""
    files = {"/etc/greeting": MachineFile(b"hello\n", 0o640, 0, 1000)}
    spec = lab.launch(lab.spec(files=files, labels={"color": "blue"}))
    lab.reachable(spec)
    yield spec
    lab.run(lab.machines.delete(spec.name))


def test_a_login_finds_a_cloud_image(lab: Lab, guest: MachineSpec) -> None:
    short = guest.hostname.partition(".")[0]
    shown = lab.ssh(guest, tty=True, feed="whoami\nexit\n").stdout
    assert "Undercast Linux" in shown
    assert f"[ec2-user@{short} ~]$" in re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", shown)
    facts = lab.ssh(guest, "whoami; hostname; sudo id -u; nproc; cat /etc/greeting; hostname -f").stdout
    assert facts.split() == ["ec2-user", short, "0", "1", "hello", guest.hostname]
    assert lab.ssh(guest, "true", user="root").returncode == 255
    tools = lab.ssh(guest, "gcc --version && git --version && curl --version && python3 --version")
    assert tools.returncode == 0, tools
    memory = lab.ssh(guest, "free -m | awk '/Mem/ {print $2}'").stdout
    assert 1000 <= int(memory) <= 1024


def test_pip_installs_for_the_user_as_on_a_cloud_image(lab: Lab, guest: MachineSpec, tmp_path: Path) -> None:
    script = (
        'mkdir -p tiny && cd tiny && printf \'[project]\\nname="tiny"\\nversion="1"\\n\' > pyproject.toml && '
        "touch tiny.py && python3 -m pip install --no-build-isolation --no-index . "
    )
    shown = lab.ssh(guest, script)
    said = shown.stdout + shown.stderr
    assert "Defaulting to user installation because normal site-packages is not writeable" in said
    assert "externally-managed" not in said


def test_states_exec_files_and_console(lab: Lab, guest: MachineSpec) -> None:
    state = lab.run(lab.machines.states())[guest.name]
    assert state.power is Power.RUNNING and state.labels == {"color": "blue"}
    lab.run(lab.machines.label(guest.name, {"size": "small"}))
    assert lab.run(lab.machines.states())[guest.name].labels == {"color": "blue", "size": "small"}
    done = lab.sh(guest, "echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    with pytest.raises(TimedOut):
        lab.run(lab.machines.exec(guest.name, ["sleep", "20"], timeout_s=0.5))
    wait_until(lambda: not lab.sh(guest, "pgrep -x sleep").stdout, 5, "end of the command that took too long")
    lab.run(lab.machines.push_file(guest.name, "/root/pushed", MachineFile(b"data", 0o600)))
    assert lab.out(guest, "stat -c %a:%U /root/pushed") == "600:root"
    assert lab.run(lab.machines.read_file(guest.name, "/root/pushed")) == b"data"
    with pytest.raises(NotFound):
        lab.run(lab.machines.read_file(guest.name, "/root/nothing"))
    lab.sh(guest, "echo a line for the console > /dev/console")
    assert b"a line for the console" in lab.run(lab.machines.console_output(guest.name))


def test_a_second_interface_comes_and_goes(lab: Lab, guest: MachineSpec) -> None:
    nic = lab.nic("eth1")
    lab.run(lab.machines.attach_nic(guest.name, nic))
    lab.run(lab.machines.attach_nic(guest.name, nic))
    assert nic.address in lab.out(guest, "ip -br address show eth1")

    async def connect() -> None:
        _, writer = await asyncio.open_connection(nic.address, 22)
        writer.close()

    lab.run(connect(), 5)
    lab.run(lab.machines.detach_nic(guest.name, "eth1"))
    lab.run(lab.machines.detach_nic(guest.name, "eth1"))
    assert lab.sh(guest, "ip link show eth1").status != 0
    assert not Path("/sys/class/net", nic.host_name).exists()


def test_freeze_stop_start_resize(lab: Lab) -> None:
    machines = lab.machines
    spec = lab.launch(lab.spec())
    lab.run(machines.launch(spec))
    lab.reachable(spec)
    lab.run(machines.freeze(spec.name))
    assert lab.power(spec) is Power.FROZEN
    lab.run(machines.thaw(spec.name))
    assert lab.ssh(spec, "echo kept > file; sync").returncode == 0
    lab.run(machines.stop_machine(spec.name))
    lab.run(machines.stop_machine(spec.name))
    assert lab.power(spec) is Power.STOPPED
    lab.run(machines.resize(spec.name, 2, 2048))
    lab.run(machines.grow_root(spec.name, 9))
    lab.run(machines.start_machine(spec.name))
    lab.run(machines.start_machine(spec.name))
    lab.reachable(spec)
    assert lab.ssh(spec, "cat file; nproc").stdout.split() == ["kept", "2"]
    boot = lab.out(spec, "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
    lab.run(machines.reboot(spec.name))
    lab.reachable(spec)
    assert lab.out(spec, "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1") != boot
    lab.run(machines.delete(spec.name))
    lab.run(machines.delete(spec.name))
    assert lab.power(spec) is None
    assert not machines.places.rootfs(spec.name).exists()
    assert not Path("/sys/class/net", spec.nics[0].host_name).exists()


def test_a_shutdown_inside_is_seen_as_an_event(lab: Lab) -> None:
    spec = lab.spec()

    async def watch() -> list[EventKind]:
        seen: list[EventKind] = []
        async for event in lab.machines.events():
            if event.kind is EventKind.RESYNC:
                await lab.machines.launch(spec)
            elif event.name == spec.name:
                seen.append(event.kind)
                if event.kind is EventKind.STARTED:
                    # It is heard once init listens.
                    down = "until shutdown -h now; do sleep 0.1; done"
                    await lab.machines.exec(spec.name, ["sh", "-c", down])
                if event.kind is EventKind.STOPPED:
                    break
        return seen

    seen = lab.run(watch(), 30)
    assert seen == [EventKind.CREATED, EventKind.STARTED, EventKind.STOPPED]
    assert lab.power(spec) is Power.STOPPED
    lab.run(lab.machines.delete(spec.name))


def test_an_unknown_image_and_machine_are_refused(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.run(lab.machines.create(lab.spec(image="nothing-of-this-name")))
    with pytest.raises(NotFound):
        lab.run(lab.machines.create(lab.spec(image="0" * 64)))
    with pytest.raises(NotFound):
        lab.run(lab.machines.start_machine("i-00000000000000000"))


def test_five_launch_at_once(lab: Lab) -> None:
    specs = [lab.spec() for _ in range(5)]

    async def all_of_them() -> None:
        await asyncio.gather(*(lab.machines.launch(spec) for spec in specs))

    began = time.monotonic()
    lab.run(all_of_them())
    for spec in specs:
        lab.reachable(spec)
    assert time.monotonic() - began < 40
    assert {spec.name for spec in specs} <= set(lab.run(lab.machines.states()))

    async def remove() -> None:
        await asyncio.gather(*(lab.machines.delete(spec.name) for spec in specs))

    lab.run(remove())
    assert not {spec.name for spec in specs} & set(lab.run(lab.machines.states()))
