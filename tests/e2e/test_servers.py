"""The servers chapter, with real instances, the unmodified aws CLI and ssh."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from servers_support import Renter, ssh

from support import run_server, unique, wait_until

MEAN = """\
import sys
numbers = [float(word) for word in sys.argv[1:]]
print(sum(numbers) / len(numbers))
"""


def refused(action: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        action(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.timeout(120)
def test_renting_a_server(renter: Renter, tmp_path: Path) -> None:
    """Key, group, launch, login, stop, start, terminate; the demo's test goes on to train the model."""
    aws, ec2 = renter.server.aws_json, renter.ec2
    name = unique("tutorial")
    key = tmp_path / "key.pem"
    made = renter.server.aws(
        "ec2", "create-key-pair", "--key-name", name, "--query", "KeyMaterial", "--output", "text"
    )
    key.write_text(made.stdout)
    group = aws("ec2", "create-security-group", "--group-name", name, "--description", name)["GroupId"]
    ran = aws(
        *("ec2", "run-instances", "--image-id", renter.ami, "--instance-type", "t2.micro"),
        *("--key-name", name, "--security-group-ids", group),
        *("--tag-specifications", f"ResourceType=instance,Tags=[{{Key=Name,Value={name}}}]"),
    )["Instances"][0]
    instance_id = ran["InstanceId"]
    assert ran["State"] == {"Code": 0, "Name": "pending"}
    renter.server.aws("ec2", "wait", "instance-running", "--instance-ids", instance_id)
    shown = aws("ec2", "describe-instances", "--filters", f"Name=tag:Name,Values={name}")
    instance = shown["Reservations"][0]["Instances"][0]
    host = instance["PublicDnsName"]
    assert host.startswith("ec2-")
    assert instance["PrivateDnsName"].startswith("ip-172-31-")

    # No rule, no connection: packets are dropped, not refused.
    key.chmod(0o400)
    dropped = ssh(host, key, "true")
    assert dropped.returncode == 255
    assert "timed out" in dropped.stderr
    own = f"{instance['PrivateIpAddress'].rsplit('.', 2)[0]}.0.0/16"
    assert own.endswith("/16")
    renter.open_port(group, 22)
    wait_until(lambda: "denied" in ssh(host, None, "true").stderr, 30, "an answering sshd")
    assert "Permission denied (publickey)" in ssh(host, None, "true").stderr
    key.chmod(0o644)
    assert "UNPROTECTED PRIVATE KEY FILE" in ssh(host, key, "true").stderr
    key.chmod(0o400)

    def run(command: str, timeout: float = 30) -> str:
        done = ssh(host, key, command, timeout=timeout)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    assert run("whoami") == "ec2-user"
    assert run("hostname") == instance["PrivateDnsName"].split(".")[0]
    assert run("python3 --version").startswith("Python 3.")
    assert "gcc" in run("gcc --version")
    assert run("nproc") == "1"
    assert 900 <= int(run("free -m | awk '/^Mem/ {print $2}'")) <= 1024
    assert run("sudo -n id -u") == "0"
    banner = subprocess.run(
        ["ssh", "-tt", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
         f"ec2-user@{host}"],
        input="exit\n", capture_output=True, text=True, timeout=30,
    ).stdout  # fmt: skip
    assert f"[ec2-user@{instance['PrivateDnsName'].split('.')[0]} ~]$" in banner
    assert run("curl -s http://169.254.169.254/latest/meta-data/instance-id") == instance_id

    run(f"cat > calculate_mean.py <<'END'\n{MEAN}END")
    assert run("python3 calculate_mean.py 1 -5 0 33") == "7.25"
    assert run("python3 calculate_mean.py 0 1e5 -1e5") == "0.0"
    ec2.stop_instances(InstanceIds=[instance_id])
    renter.wait("stopped", [instance_id])
    stopped = renter.describe(instance_id)
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["StateTransitionReason"].startswith("User initiated (")
    assert "PublicIpAddress" not in stopped
    ec2.start_instances(InstanceIds=[instance_id])
    renter.wait("running", [instance_id])
    host = renter.host(instance_id)
    wait_until(lambda: ssh(host, key, "true").returncode == 0, 30, "ssh after the start")
    assert "calculate_mean.py" in run("ls")

    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    renter.terminate(instance_id)
    assert renter.describe(instance_id)["State"] == {"Code": 48, "Name": "terminated"}
    assert refused(ec2.describe_volumes, VolumeIds=[volume])[0] == "InvalidVolume.NotFound"


@pytest.mark.timeout(150)
def test_ten_at_once_through_a_crash_of_the_server(renter: Renter) -> None:
    """kill -9 in the middle of launching ten: exactly ten, all reachable; then who reaches whom."""
    ids = _ten(renter, lambda: _restart(renter))
    inner = renter.new_group()
    renter.open_port(inner, 22)
    neighbours = {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000}
    renter.ec2.authorize_security_group_ingress(
        GroupId=inner, IpPermissions=[{**neighbours, "UserIdGroupPairs": [{"GroupId": inner}]}]
    )
    first, second, outsider = ids[:3]
    for instance_id in (first, second):
        renter.ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[inner])
    renter.run(first, "nohup python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &")
    address = renter.describe(first)["PrivateIpAddress"]
    ask = f"curl -s -o /dev/null -m 3 -w '%{{http_code}}' http://{address}:8000/"
    wait_until(lambda: renter.ssh(second, ask).stdout == "200", 20, "the neighbour's web server")
    assert renter.ssh(outsider, ask).stdout == "000"
    renter.terminate(*ids)


@pytest.mark.timeout(150)
def test_ten_at_once_through_a_crash_of_incus(renter: Renter) -> None:
    renter.terminate(*_ten(renter, _kill_incus))


def _ten(renter: Renter, crash: Callable[[], None]) -> list[str]:
    """Ten instances whose launch was interrupted by a crash; all of them can be logged in to."""
    token = unique("token")
    ids = renter.launch(10, ClientToken=token)
    wait_until(lambda: "running" in _states(renter, ids), 30, "the first of ten")
    crash()
    assert renter.launch(10, ClientToken=token) == ids  # the same request is still the same launch
    renter.wait("running", ids, 60)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda id: renter.reachable(id), ids))
    mine = renter.ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}])
    assert sum(len(r["Instances"]) for r in mine["Reservations"]) == 10
    return ids


def _restart(renter: Renter) -> None:
    server = renter.server
    server.stop(kill=True)
    port = int(server.url.rsplit(":", 1)[1])
    server.process = run_server(server.data, port=port, servers_enabled="true").process


def _kill_incus() -> None:
    """Kill the daemon; what supervises it (systemd, or Undercast's own) starts it again.

    Its helpers and the monitors that hold the machines share its file: the daemon's first argument is a flag.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(words[0].decode(errors="replace")).name == "incusd" and words[1][:1] == b"-":
            os.kill(int(process.name), signal.SIGKILL)
            return
    pytest.fail("no Incus daemon runs")


def _states(renter: Renter, ids: list[str]) -> set[str]:
    shown = renter.ec2.describe_instances(InstanceIds=ids)["Reservations"]
    return {i["State"]["Name"] for r in shown for i in r["Instances"]}


@pytest.mark.timeout(120)
def test_lifecycle(renter: Renter) -> None:
    ec2 = renter.ec2
    user_data = "#!/bin/sh\necho from user data > /tmp/said\n"
    instance_id = renter.launch(
        1,
        UserData=user_data,
        DisableApiTermination=True,
        InstanceInitiatedShutdownBehavior="stop",
        Placement={"AvailabilityZone": ""},  # as Terraform sends it
    )[0]
    renter.wait("running", [instance_id])
    renter.reachable(instance_id)
    wait_until(
        lambda: renter.ssh(instance_id, "cat /tmp/said").stdout == "from user data\n",
        40,
        "the user data's work",
    )
    status = wait_until(
        lambda: [
            s
            for s in ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
            if s["InstanceStatus"]["Status"] == "ok"
        ],
        40,
        "an ok status check",
    )[0]
    assert status["SystemStatus"]["Details"][0] == {"Name": "reachability", "Status": "passed"}
    # As on AWS, the console tells the host's keys to who does not want to trust the first connection.
    key = renter.run(instance_id, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    wait_until(
        lambda: key in ec2.get_console_output(InstanceId=instance_id)["Output"], 40, "the keys on the console"
    )

    before = renter.run(
        instance_id, "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f1 /proc/uptime"
    ).split()
    ec2.reboot_instances(InstanceIds=[instance_id])
    wait_until(
        lambda: (
            (done := renter.ssh(instance_id, "cut -d' ' -f1 /proc/uptime")).returncode == 0
            and float(done.stdout) < float(before[1])
        ),
        40,
        "the reboot",
    )
    assert renter.describe(instance_id)["State"]["Name"] == "running"

    assert refused(
        ec2.modify_instance_attribute, InstanceId=instance_id, InstanceType={"Value": "t2.small"}
    ) == (
        "IncorrectInstanceState",
        f"The instance '{instance_id}' is not in the 'stopped' state.",
    )
    code, message = refused(ec2.terminate_instances, InstanceIds=[instance_id])
    assert code == "OperationNotPermitted"
    assert "disableApiTermination" in message

    renter.ssh(instance_id, "sudo systemctl poweroff")
    renter.wait("stopped", [instance_id])
    assert renter.describe(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "t2.small"})
    ec2.start_instances(InstanceIds=[instance_id])
    renter.wait("running", [instance_id])
    renter.reachable(instance_id)
    assert int(renter.run(instance_id, "free -m | awk '/^Mem/ {print $2}'")) > 1800
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    renter.terminate(instance_id)

    too_large = refused(
        ec2.run_instances, ImageId=renter.ami, InstanceType="m5.24xlarge", MinCount=1, MaxCount=1
    )
    assert too_large[0] == "InsufficientInstanceCapacity"
    assert refused(ec2.run_instances, ImageId=renter.ami, InstanceType="p5.48xlarge", MinCount=1, MaxCount=1)[
        0
    ] == ("InsufficientInstanceCapacity")


@pytest.mark.timeout(150)
def test_volumes_and_images(renter: Renter) -> None:
    ec2 = renter.ec2
    extra = {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}
    first = renter.launch(1, BlockDeviceMappings=[extra])[0]
    zone = renter.describe(first)["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    renter.wait("running", [first])
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
    ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
    _attached(renter, volume)
    assert (
        refused(ec2.attach_volume, VolumeId=volume, InstanceId=first, Device="/dev/sdh")[0] == "VolumeInUse"
    )
    assert refused(ec2.delete_volume, VolumeId=volume)[0] == "VolumeInUse"
    renter.reachable(first)
    renter.run(first, "sudo mkfs.ext4 -q /dev/xvdf && sudo mkdir -p /data && sudo mount /dev/xvdf /data")
    renter.run(first, "echo kept | sudo tee /data/file && echo mine > ~/note && test -b /dev/xvdg && sync")
    renter.run(first, "sudo umount /data")
    ec2.modify_volume(VolumeId=volume, Size=2)
    wait_until(lambda: ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"] == 2, 20, "the growth")
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    image = ec2.create_image(InstanceId=first, Name=unique("image"), NoReboot=True)["ImageId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 1})
    ec2.detach_volume(VolumeId=volume)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
    shown = ec2.describe_images(ImageIds=[image])["Images"][0]
    of_image = [m["Ebs"]["SnapshotId"] for m in shown["BlockDeviceMappings"]]
    assert len(of_image) == 3
    kept = [
        m["Ebs"]["VolumeId"]
        for m in renter.describe(first)["BlockDeviceMappings"]
        if m["DeviceName"] == "/dev/sdg"
    ]
    renter.terminate(first)
    assert ec2.describe_volumes(VolumeIds=kept)["Volumes"][0]["State"] == "available"

    second = renter.launch(1, ImageId=image, Placement={"AvailabilityZone": zone})[0]
    renter.wait("running", [second])
    renter.reachable(second)
    assert renter.run(second, "cat ~/note") == "mine"
    restored = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[restored], WaiterConfig={"Delay": 1})
    for device, one in (("/dev/sdi", volume), ("/dev/sdj", restored)):
        ec2.attach_volume(VolumeId=one, InstanceId=second, Device=device)
        _attached(renter, one)
    for device in ("xvdi", "xvdj"):
        renter.run(second, f"sudo mkdir -p /{device} && sudo mount /dev/{device} /{device}")
        assert renter.run(second, f"cat /{device}/file") == "kept"
    assert refused(ec2.delete_snapshot, SnapshotId=of_image[0])[0] == "InvalidSnapshot.InUse"
    renter.terminate(second)
    ec2.deregister_image(ImageId=image)
    for snapshot_id in (snapshot, *of_image):
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    for one in (volume, restored, *kept):
        wait_until(
            lambda one=one: ec2.describe_volumes(VolumeIds=[one])["Volumes"][0]["State"] == "available", 20
        )
        ec2.delete_volume(VolumeId=one)


@pytest.mark.timeout(150)
def test_a_root_volume_is_repaired_on_another_instance(renter: Renter) -> None:
    """The rescue everybody knows: detach, attach to a healthy instance, mend, attach again."""
    ec2 = renter.ec2
    zone = {"Placement": {"AvailabilityZone": "us-east-1a"}}
    sick, doctor = renter.launch(2, **zone)
    renter.wait("running", [sick, doctor])
    renter.reachable(sick, doctor)
    host_key = renter.run(sick, "cat /etc/ssh/ssh_host_ed25519_key.pub")
    odd = "mkdir odd; cd odd; ln -s nowhere link; echo 1 > a; chmod 4711 a; ln a b; touch -d @1.5 a; mkfifo p"
    listing = "find . -printf '%p %y %m %U:%G %T@ %l\n' | sort"
    facts = renter.run(sick, f"{odd}; {listing}")
    renter.run(sick, "rm ~/.ssh/authorized_keys && sync")
    (mapping,) = renter.describe(sick)["BlockDeviceMappings"]
    volume = mapping["Ebs"]["VolumeId"]
    assert refused(ec2.detach_volume, VolumeId=volume)[0] == "OperationNotPermitted"
    ec2.stop_instances(InstanceIds=[sick])
    renter.wait("stopped", [sick])
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
    # The same contents from a snapshot, beside the volume itself.
    copy = ec2.create_volume(SnapshotId=snapshot, AvailabilityZone="us-east-1a")["VolumeId"]
    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
    assert renter.describe(sick)["BlockDeviceMappings"] == []
    assert refused(ec2.start_instances, InstanceIds=[sick]) == (
        "InvalidParameterValue",
        f"Invalid value '{sick}' for instanceId. Instance does not have a volume attached at root "
        "(/dev/xvda)",
    )

    ec2.attach_volume(VolumeId=volume, InstanceId=doctor, Device="/dev/sdf")
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy], WaiterConfig={"Delay": 1})
    ec2.attach_volume(VolumeId=copy, InstanceId=doctor, Device="/dev/sdg")
    _attached(renter, volume)
    _attached(renter, copy)
    home = "/mnt/home/ec2-user"
    for device in ("xvdf", "xvdg"):
        renter.run(doctor, f"sudo mount /dev/{device} /mnt")
        assert renter.run(doctor, f"cd {home}/odd && {listing}") == facts
        assert renter.run(doctor, f"sudo stat -c %h {home}/odd/a") == "2"
        if device == "xvdf":
            renter.run(doctor, f"sudo cp -p ~/.ssh/authorized_keys {home}/.ssh/ && echo mended > {home}/said")
        renter.run(doctor, "sudo umount /mnt")
    for one in (volume, copy):
        ec2.detach_volume(VolumeId=one)
        ec2.get_waiter("volume_available").wait(VolumeIds=[one], WaiterConfig={"Delay": 1})

    empty = ec2.create_volume(Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[empty], WaiterConfig={"Delay": 1})
    assert (
        refused(ec2.attach_volume, VolumeId=empty, InstanceId=sick, Device="/dev/sda")[0]
        == "UnsupportedOperation"
    )
    ec2.attach_volume(VolumeId=volume, InstanceId=sick, Device="/dev/xvda")
    ec2.start_instances(InstanceIds=[sick])
    renter.wait("running", [sick])
    renter.reachable(sick)
    assert renter.run(sick, "cat said") == "mended"
    assert renter.run(sick, "cat /etc/ssh/ssh_host_ed25519_key.pub") == host_key
    assert renter.run(sick, f"cd odd && {listing}") == facts
    (mapping,) = renter.describe(sick)["BlockDeviceMappings"]
    assert (mapping["Ebs"]["VolumeId"], mapping["Ebs"]["Status"]) == (volume, "attached")
    renter.terminate(sick, doctor)  # what was attached by hand outlives its instance
    ec2.delete_snapshot(SnapshotId=snapshot)
    for one in (volume, copy, empty):
        ec2.delete_volume(VolumeId=one)


def _attached(renter: Renter, volume: str) -> None:
    def state() -> bool:
        shown = renter.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
        return [a["State"] for a in shown] == ["attached"]

    wait_until(state, 20, f"{volume} attached")


@pytest.mark.timeout(120)
def test_spot_hibernation_and_instance_connect(renter: Renter, tmp_path: Path) -> None:
    ec2 = renter.ec2
    spot = renter.launch(1, InstanceType="t3.micro", InstanceMarketOptions={"MarketType": "spot"})[0]
    sleeper = renter.launch(1, InstanceType="t3.micro", HibernationOptions={"Configured": True})[0]
    renter.wait("running", [spot, sleeper])
    shown = renter.describe(spot)
    assert shown["InstanceLifecycle"] == "spot"
    request_id = shown["SpotInstanceRequestId"]
    assert refused(ec2.stop_instances, InstanceIds=[spot])[0] == "UnsupportedOperation"
    renter.terminate(spot)

    def closed() -> bool:
        request = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])
        one = request["SpotInstanceRequests"][0]
        return (one["State"], one["Status"]["Code"]) == ("closed", "instance-terminated-by-user")

    wait_until(closed, 20, "the end of the Spot request")

    renter.reachable(sleeper)
    renter.run(sleeper, "nohup sh -c 'echo $$ > /tmp/pid; exec sleep 1000' >/dev/null 2>&1 </dev/null &")
    pid = wait_until(lambda: renter.ssh(sleeper, "cat /tmp/pid").stdout.strip(), 10, "the sleeper's pid")
    ec2.stop_instances(InstanceIds=[sleeper], Hibernate=True)
    renter.wait("stopped", [sleeper])
    assert renter.describe(sleeper)["StateReason"]["Code"] == "Client.UserInitiatedHibernate"
    ec2.start_instances(InstanceIds=[sleeper])
    renter.wait("running", [sleeper])
    renter.reachable(sleeper)
    assert renter.run(sleeper, f"ps -o comm= -p {pid}") == "sleep"

    key = tmp_path / "minute"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=20)
    assert ssh(renter.host(sleeper), key, "true").returncode == 255
    renter.server.client("ec2-instance-connect").send_ssh_public_key(
        InstanceId=sleeper, InstanceOSUser="ec2-user", SSHPublicKey=key.with_suffix(".pub").read_text()
    )
    assert ssh(renter.host(sleeper), key, "whoami").stdout == "ec2-user\n"
    renter.terminate(sleeper)
