"""The network of real instances: what rules open, what a hostile root cannot do, addresses that move."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from servers_support import Renter, ssh

from support import wait_until


@pytest.fixture(scope="module")
def pair(renter: Renter) -> Iterator[tuple[str, str]]:
    """Two instances in a group that lets port 22 in from this machine alone."""
    group = renter.new_group()
    renter.open_port(group, 22, "127.0.0.1/32")
    one, two = renter.launch(2, SecurityGroupIds=[group])
    renter.wait("running", [one, two])
    renter.reachable(one, two)
    yield one, two
    renter.terminate(one, two)


# Nobody (TEST-NET-2): a connection there hangs where packets vanish, and that is what is looked at.
OUTSIDE = "198.51.100.7"


def connects(address: str, port: int, timeout: float = 0.05) -> bool:
    try:
        socket.create_connection((address, port), timeout).close()
    except OSError:
        return False
    return True


def group_of(renter: Renter, instance: str) -> str:
    return str(renter.describe(instance)["SecurityGroups"][0]["GroupId"])


def open_from(renter: Renter, instance: str, *places: tuple[str, int]) -> set[tuple[str, int]]:
    """Those of the addresses and ports that an instance can connect to."""
    tries = [f"(timeout 1 bash -c '</dev/tcp/{a}/{p}' 2>/dev/null && echo {a} {p}) &" for a, p in places]
    lines = renter.run(instance, " ".join([*tries, "wait"])).splitlines()
    return {(line.split()[0], int(line.split()[1])) for line in lines}


def reaches(renter: Renter, instance: str, address: str, port: int) -> bool:
    return bool(open_from(renter, instance, (address, port)))


@pytest.mark.timeout(90)
def test_rules_come_and_go(renter: Renter, pair: tuple[str, str]) -> None:
    one, two = pair
    group = group_of(renter, one)
    renter.run(one, "nohup python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &")
    public, private = renter.describe(one)["PublicIpAddress"], renter.describe(one)["PrivateIpAddress"]
    assert not connects(public, 8000, 0.5)
    for _ in range(2):
        renter.open_port(group, 8000, "127.0.0.1/32")
        wait_until(lambda: connects(public, 8000), 5, "the open port")
        renter.ec2.revoke_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=8000, ToPort=8000, CidrIp="127.0.0.1/32"
        )
        wait_until(lambda: not connects(public, 8000), 5, "the closed port")
    assert not reaches(renter, two, private, 8000)
    # From the same group, by reference: on the private address, not on the public one.
    everything = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    renter.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=everything)
    wait_until(lambda: reaches(renter, two, private, 8000), 5, "the neighbour")
    assert not reaches(renter, two, public, 8000)
    name = renter.describe(one)["PublicDnsName"]
    assert private in renter.run(two, f"getent hosts {name}")
    renter.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=everything)


@pytest.mark.timeout(90)
def test_a_hostile_root_stays_alone(renter: Renter, pair: tuple[str, str]) -> None:
    one, two = pair
    stranger = renter.server.account_factory()
    other = Renter(stranger, renter.folder)  # type: ignore[arg-type]
    group = other.new_group()
    other.open_port(group, 22)
    (theirs,) = other.launch(1, SecurityGroupIds=[group])
    other.wait("running", [theirs])
    other.reachable(theirs)
    try:
        shown = other.describe(theirs)
        port = int(renter.server.url.rsplit(":", 1)[1])
        public = (shown["PublicIpAddress"], 22)  # as anybody on the internet
        host = ("169.254.0.1", "169.254.87.1", "192.0.2.2", "198.18.0.1")
        places = [(address, number) for address in host for number in (22, port, 4566)]
        places += [("169.254.169.254", 22), ("169.254.169.253", 22), (shown["PrivateIpAddress"], 22)]
        wait_until(lambda: reaches(renter, one, *public), 10, "the other account's public address")
        assert open_from(renter, one, *places) == set()
        api = "curl -s -m 3 -o /dev/null -w '%{http_code}' http://169.254.169.254:4566/_undercast/health"
        assert renter.run(one, api) == "200"

        # Another's address, another's hardware address, no filter of its own: nothing helps.
        victim = renter.describe(two)["PrivateIpAddress"]
        steal = f"sudo ip address add {victim}/32 dev lo && curl -s -m 1 --interface {victim} " + (
            "http://169.254.169.254/latest/meta-data/instance-id"
        )
        assert renter.ssh(one, steal).stdout == ""
        renter.run(one, f"sudo ip address del {victim}/32 dev lo")
        mac = renter.run(one, "cat /sys/class/net/eth0/address")
        spoof = (
            "sudo ip link set eth0 address 02:11:22:33:44:55; curl -s -m 1 http://169.254.169.254/; echo $?; "
            f"sudo ip link set eth0 address {mac}"
        )
        done = renter.ssh(one, f"nohup sudo sh -c '{spoof.replace('sudo ', '')}' >/tmp/said 2>&1 </dev/null")
        assert done.returncode == 0
        said = wait_until(lambda: renter.ssh(one, "cat /tmp/said").stdout.strip(), 10, "the connection back")
        assert said == "28"  # curl: timed out
        base = "http://169.254.169.254/latest"
        ttl = "-H 'X-aws-ec2-metadata-token-ttl-seconds: 60'"
        token = f"curl -s -m 3 -X PUT {base}/api/token {ttl}"
        header = '-H "X-aws-ec2-metadata-token: $T"'
        read = f"T=$({token}); curl -s {header} {base}/meta-data/instance-id"
        assert renter.run(one, read) == one
    finally:
        other.terminate(theirs)


def bound(renter: Renter, instance: str, public: str) -> bool:
    return renter.describe(instance).get("PublicIpAddress") == public


@pytest.mark.timeout(90)
def test_addresses_and_interfaces_move(renter: Renter, pair: tuple[str, str]) -> None:
    one, two = pair
    ec2: Any = renter.ec2
    address = ec2.allocate_address()
    public = address["PublicIp"]
    for instance in (one, two):
        ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
        assert bound(renter, instance, public)
        name = renter.describe(instance)["PrivateDnsName"].split(".")[0]
        wait_until(
            lambda name=name: ssh(public, renter.key, "hostname").stdout.strip() == name,
            10,
            "the moved address",
        )
    (listed,) = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert listed["InstanceId"] == two
    ec2.disassociate_address(AssociationId=listed["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])
    again = renter.describe(two)["PublicIpAddress"]  # as AWS does for those that had one from the pool
    assert again != public
    wait_until(lambda: not connects(public, 22), 5, "the address without an instance")

    subnet, group = renter.describe(one)["SubnetId"], group_of(renter, one)
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    plug = ec2.attach_network_interface(
        NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=one, DeviceIndex=1
    )
    second = made["PrivateIpAddress"]
    # By login: what is behind the default gateway may accept connections to any address.
    wait_until(lambda: ssh(second, renter.key, "true").returncode == 0, 20, "the second interface")
    assert second in renter.run(one, "ip -4 address show eth1")
    ec2.detach_network_interface(AttachmentId=plug["AttachmentId"])
    wait_until(lambda: "eth1" not in renter.run(one, "ls /sys/class/net"), 10, "the interface to be gone")
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])


@pytest.mark.timeout(90)
def test_no_route_no_way_out(renter: Renter) -> None:
    ec2: Any = renter.ec2
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="inner", Description="x", VpcId=vpc)["GroupId"]
    renter.open_port(group, 22)
    (instance,) = renter.launch(1, SubnetId=subnet, SecurityGroupIds=[group])
    renter.wait("running", [instance])
    shown = renter.describe(instance)
    assert "PublicIpAddress" not in shown and shown["PublicDnsName"] == ""
    private = shown["PrivateIpAddress"]

    def login(command: str) -> Any:
        return ssh(private, renter.key, command)

    wait_until(lambda: login("true").returncode == 0, 30, "ssh to the private address")
    out = f"timeout 2 bash -c '</dev/tcp/{OUTSIDE}/9'; echo $?"
    assert login(out).stdout.strip() == "124"

    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]
    way = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(GatewayId=internet, **way)
    assert login(out).stdout.strip() == "124"  # a gateway serves public addresses alone
    address = ec2.allocate_address()
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance)
    wait_until(lambda: ssh(address["PublicIp"], renter.key, "true").returncode == 0, 10, "the public address")
    ec2.delete_route(**way)
    wait_until(lambda: not connects(address["PublicIp"], 22, 0.3), 5, "the route's end")
    renter.terminate(instance)
    ec2.release_address(AllocationId=address["AllocationId"])
