"""What instances find at link-local addresses, what they do not find, and the network's life."""

from __future__ import annotations

import datetime as dt
import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from machines.lab import WORLD_ADDRESS, A, Instance, Lab, desired, group, made, subnet, tcp
from support import wait_until
from undercast.network import incus_rules, resolver
from undercast.network.base_chains import CONNECTIONS
from undercast.network.leftovers import Filters
from undercast.network.libnftables import FilterError, Nftables
from undercast.network.metadata_model import (
    InterfaceMetadata,
    MachineMetadata,
    MetadataOptions,
    Profile,
    RoleCredentials,
)
from undercast.network.model import Desired, Names
from undercast.network.network import NODE, Network, NetworkError

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
METADATA = "169.254.169.254"
NEAR = subnet("subnet-a", "172.31.0.0/20")


def metadata(instance: Instance, name: str, **options: object) -> MachineMetadata:
    keys = RoleCredentials("ASIA1", "secret", "token", NOW, NOW + dt.timedelta(hours=6))
    interface = InterfaceMetadata(
        instance.id, instance.mac, 0, "0" * 12, f"{name}.ec2.internal", (instance.address,), "", {},
        {"sg-1": "one"}, "subnet-a", "172.31.0.0/20", "vpc-1", ("172.31.0.0/16",),
    )  # fmt: skip
    return MachineMetadata(
        name, "0" * 12, "us-east-1", "us-east-1a", "use1-az1", "ami-1", "t2.micro", "x86_64", "r-1", 0, NOW,
        (interface,), MetadataOptions(**options), {"my-key": "ssh-ed25519 AAAA my-key"}, {"ami": "/dev/xvda"},
        b"#!/bin/sh\n", Profile("arn:p", "AIPA1", "reader", lambda: keys, NOW), {"Name": "web", "a/b": "c"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    configuration = folder / "resolv.conf"
    configuration.write_text(f"nameserver {WORLD_ADDRESS}\n")
    before, resolver.RESOLV_CONF = resolver.RESOLV_CONF, configuration
    try:
        with made(folder) as lab:
            one, two = lab.instance("172.31.0.11"), lab.instance("172.31.0.12")
            machines = {
                one.address: metadata(one, "i-one", tokens_required=False, hop_limit=1, tags=True),
                two.address: metadata(two, "i-two"),
            }
            lab.network.describe = machines.get
            lab.apply(whole(lab))
            yield lab
    finally:
        resolver.RESOLV_CONF = before


def whole(lab: Lab) -> Desired:
    one, two = lab.instances
    interfaces = [
        one.interface("subnet-a", "sg-1", public="198.18.0.11"),
        two.interface("subnet-a", "sg-2", public="198.18.0.12"),
    ]
    names = Names(
        "vpc-1",
        A("172.31.0.2"),
        private={"ip-172-31-0-11.ec2.internal": A(one.address)},
        public={"ec2-198-18-0-11.compute-1.undercast.internal": A(one.address)},
    )
    host_names = {"ec2-198-18-0-11.compute-1.undercast.internal": "198.18.0.11"}
    groups = [group("sg-1", tcp(22)), group("sg-2")]
    return desired(interfaces, groups, [NEAR], names={"vpc-1": names}, host_names=host_names)


def ask(
    instance: Instance,
    path: str,
    method: str = "GET",
    address: str = METADATA,
    port: int = 80,
    **headers: str,
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    connection.sock = instance.connect(address, port, 2)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metadata(lab: Lab) -> None:
    one, two = lab.instances
    assert ask(one, "/latest/meta-data/instance-id") == (200, "i-one")
    assert ask(two, "/latest/meta-data/instance-id")[0] == 401
    assert ask(two, "/latest/api/token", "PUT")[0] == 400
    assert ask(two, "/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="21601")[0] == 400
    status, token = ask(two, "/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60")
    assert status == 200
    assert ask(two, "/2021-03-23/meta-data/instance-id", X_aws_ec2_metadata_token=token) == (200, "i-two")
    assert ask(one, "/latest/meta-data/", X_aws_ec2_metadata_token=token)[0] == 401  # another's token
    forwarded = {"X_aws_ec2_metadata_token_ttl_seconds": "60", "X_Forwarded_For": "10.0.0.1"}
    assert ask(two, "/latest/api/token", "PUT", **forwarded)[0] == 403

    def read(path: str) -> str:
        status, text = ask(one, f"/latest/{path}")
        assert status == 200, path
        return text

    assert read("") == "dynamic\nmeta-data\nuser-data"
    assert "placement/" in read("meta-data/").splitlines()
    assert read("user-data") == "#!/bin/sh\n"
    assert read("meta-data/public-keys/") == "0=my-key"
    assert read("meta-data/public-keys/0/openssh-key") == "ssh-ed25519 AAAA my-key\n"
    assert read(f"meta-data/network/interfaces/macs/{one.mac}/vpc-id") == "vpc-1"
    assert read("meta-data/iam/security-credentials/") == "reader"
    assert '"AccessKeyId": "ASIA1"' in read("meta-data/iam/security-credentials/reader")
    assert '"instanceId": "i-one"' in read("dynamic/instance-identity/document")
    assert read("meta-data/tags/instance/a/b") == "c"
    for path in ("meta-data/spot/instance-action", "meta-data/nothing", "dynamic/instance-identity/pkcs7"):
        assert ask(one, f"/latest/{path}")[0] == 404
    assert ask(two, "/latest/meta-data/tags", X_aws_ec2_metadata_token=token)[0] == 404


def test_the_token_does_not_travel_further_than_allowed(lab: Lab) -> None:
    one, two = lab.instances

    def time_to_live(instance: Instance) -> int:
        def peek() -> int:
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
            packets.settimeout(2)
            with packets, socket.create_connection((METADATA, 80), 2) as connection:
                head = b"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n"
                connection.sendall(head + b"X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n")
                while True:
                    packet = packets.recv(2000)
                    if b"200 OK" in packet:
                        return packet[8]

        return instance.run(peek)

    assert time_to_live(one) == 1
    assert time_to_live(two) == 2


def test_the_host_is_closed_but_for_the_api(lab: Lab) -> None:
    one, _ = lab.instances
    lab.host.listen(8080)  # anything that listens on this machine
    for address in ("192.0.2.2", "169.254.0.1", str(NODE), METADATA, "198.18.0.1", "169.254.169.253"):
        assert not one.reaches(address, 8080, 0.2), address
    assert not one.reaches(str(NODE), lab.network._host.metadata_port, 0.2)
    assert ask(one, "/", port=4566) == (200, "api")
    assert ask(one, "/", port=5000) == (200, "api")  # the server's own port


def test_one_instance_cannot_use_up_the_services(lab: Lab) -> None:
    one, two = lab.instances
    held = []
    with pytest.raises(OSError):
        for _ in range(CONNECTIONS + 2):
            held.append(one.connect(METADATA, 80))
    assert len(held) == CONNECTIONS
    assert ask(two, "/latest/meta-data/")[0] == 401
    for connection in held:
        connection.close()
    wait_until(lambda: one.reaches(METADATA, 80), 5, "room for the next connection")


def test_beside_dockers_firewall(tmp_path: Path) -> None:
    """Docker sets the forward chain's policy to drop; ufw does so for input as well."""
    docker = (
        "table ip filter {\n"
        "chain FORWARD { type filter hook forward priority filter; policy drop; }\n"
        "chain INPUT { type filter hook input priority filter; policy drop; }\n}\n"
    )

    def run(script: str) -> str:
        tables = Nftables()
        try:
            return tables.run(script)
        finally:
            tables.close()

    with made(tmp_path) as crowded:
        crowded.stop()
        crowded.host.run(run, docker)
        crowded.start()
        one = crowded.instance("172.31.0.11")
        crowded.network.describe = {one.address: metadata(one, "i-one", tokens_required=False)}.get
        interface = one.interface("subnet-a", "sg-1", public="198.18.0.11")
        crowded.apply(desired([interface], [group("sg-1", tcp(22))], [NEAR]))
        assert ask(one, "/latest/meta-data/instance-id") == (200, "i-one")
        crowded.world.listen(9000)
        assert one.reaches("8.8.8.8", 9000)
        assert not one.reaches("192.0.2.2", 9000)
        assert "undercast instances" in crowded.host.run(run, "list table ip filter")
        crowded.apply(Desired())
        crowded.unplug(one)
        crowded.stop()
        assert "undercast instances" not in crowded.host.run(run, "list table ip filter")


def test_a_pool_of_the_surrounding_network(tmp_path: Path) -> None:
    with made(tmp_path, public_pool="192.0.2.128/25", public_pool_on_lan=True) as lan:
        one = lan.instance("172.31.0.11")
        public = "192.0.2.130"
        interface = one.interface("subnet-a", "sg-1", public=public)
        lan.apply(desired([interface], [group("sg-1", tcp(22))], [NEAR]))
        assert lan.world.reaches(public, 22, 2)
        assert not lan.world.reaches(public, 80)
        assert not lan.world.reaches(one.address, 22)
        assert lan.host.reaches(public, 22)
        listener = lan.world.listen(9000)
        one.connect("8.8.8.8", 9000).close()
        accepted, peer = listener.accept()
        accepted.close()
        assert peer[0] == public
        lan.apply(Desired())
        assert not lan.world.reaches(public, 22)


def lookup(
    instance: Instance, name: str, kind: str = "A", server: str = "169.254.169.253"
) -> list[str] | str:
    query = dns.message.make_query(name, kind)

    def exchange() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(2)
            sender.sendto(query.to_wire(), (server, 53))
            return sender.recv(4096)

    reply = dns.message.from_wire(instance.run(exchange))
    assert reply.id == query.id
    if reply.rcode() != 0:
        return dns.rcode.to_text(reply.rcode())
    return [item.to_text() for rrset in reply.answer for item in rrset]


def test_names(lab: Lab) -> None:
    one, two = lab.instances
    private = "ip-172-31-0-11.ec2.internal"
    assert lookup(two, private) == [one.address]
    assert lookup(two, private.upper(), server="172.31.0.2") == [one.address]
    assert lookup(two, private, "AAAA") == []
    assert lookup(two, "ec2-198-18-0-11.compute-1.undercast.internal") == [one.address]
    assert lookup(two, "11.0.31.172.in-addr.arpa", "PTR") == [private + "."]
    assert lookup(two, "api.undercast.internal") == [METADATA]
    assert lookup(two, "ip-172-31-0-99.ec2.internal") == "NXDOMAIN"
    assert lookup(two, "nobody.undercast.internal") == "NXDOMAIN"

    upstream = lab.world.listen(53, kind=socket.SOCK_DGRAM)

    def serve() -> None:
        data, peer = upstream.recvfrom(2000)
        upstream.sendto(answer(data), peer)

    def answer(data: bytes) -> bytes:
        reply = dns.message.make_response(dns.message.from_wire(data))
        reply.answer.append(dns.rrset.from_text("example.org.", 1, "IN", "A", "203.0.113.7"))
        return reply.to_wire()

    waiting = lab.world._thread.submit(serve)
    assert lookup(two, "example.org") == ["203.0.113.7"]
    waiting.result(5)
    assert "198.18.0.11 ec2-198-18-0-11.compute-1.undercast.internal" in lab.hosts_file.read_text()


def table_of(lab: Lab) -> bool:
    def listed() -> bool:
        tables = Nftables()
        try:
            return "chain guard" in tables.run(f"list table inet undercast_{lab.settings.host_id}")
        except FilterError:
            return False
        finally:
            tables.close()

    return lab.host.run(listed)


def test_one_server_owns_the_network(lab: Lab) -> None:
    second = Network(lab.settings, lab.hosts, lock=lab.lock)
    lab.do(second.start(4566, None))
    assert second.reason is not None and "another Undercast server" in second.reason
    with pytest.raises(NetworkError, match="another Undercast server"):
        lab.do(second.apply(Desired()))
    lab.do(second.close())
    assert table_of(lab)
    clash = lab.network.clash(subnet("subnet-x", "192.0.2.128/25").cidr)
    assert clash is not None and "eth0" in clash
    assert lab.network.clash(NEAR.cidr) is None


def test_filters_go_when_the_data_of_their_servers_has_gone(lab: Lab, tmp_path: Path) -> None:
    """A server that is down keeps its filter: its instances may run again before it does."""

    def tables(script: str) -> str:
        nft = Nftables()
        try:
            return nft.run(script)
        finally:
            nft.close()

    filters = Filters(lab.lock)
    filters.remember("aaaaaa", tmp_path / "gone")
    filters.remember("bbbbbb", tmp_path)
    lab.host.run(tables, "".join(f"table inet undercast_{digit * 6} {{ }}\n" for digit in "abc"))
    lab.do(lab.network.sweep())
    left = lab.host.run(tables, "list tables")
    assert "undercast_bbbbbb" in left and f"undercast_{lab.settings.host_id}" in left
    assert "undercast_aaaaaa" not in left and "undercast_cccccc" not in left
    lab.host.run(tables, "delete table inet undercast_bbbbbb")


def test_chains_of_incus_go_with_their_interface(lab: Lab) -> None:
    """An Incus that was killed together with an instance leaves the instance's chain behind."""
    hook = "type filter hook prerouting priority raw;"
    living, dead, other = "prert.undercast_i-0a.eth0", "prert.undercast-abcdef_i-0b.eth0", "fwd.incusbr0"
    interfaces = {living: f'"{lab.instances[0].vif}"', dead: "4711", other: "4711"}
    rules = "".join(f"chain {name} {{ {hook} iif {index} accept; }}\n" for name, index in interfaces.items())

    def do(script: str) -> list[str]:
        nft = Nftables()
        try:
            nft.run(script)
            incus_rules.remove_empty(nft)
            return [*incus_rules.chains(nft), nft.run("list tables")]
        finally:
            nft.close()

    assert lab.host.run(do, f"table inet incus {{\n{rules}}}")[:2] == [living, dead]
    lab.do(lab.network.sweep())
    assert lab.host.run(do, f"list chain inet incus {other}")[:1] == [living]
    assert (
        "inet incus"
        not in lab.host.run(
            do,
            f"flush chain inet incus {living}\ndelete chain inet incus "
            f"{living}\ndelete chain inet incus {other}",
        )[-1]
    )


def test_the_filter_outlives_the_server_and_is_adopted(lab: Lab) -> None:
    one, two = lab.instances
    state = whole(lab)
    lab.apply(state)
    flow = lab.host.connect("198.18.0.11", 22)
    describe = lab.network.describe
    lab.stop()
    assert table_of(lab)
    assert lab.host.reaches("198.18.0.11", 22)
    assert not two.reaches(one.address, 80)
    lab.start()
    lab.network.describe = describe
    assert lab.host.reaches("198.18.0.11", 22)  # before the first apply as well
    lab.apply(state)
    flow.sendall(b"still here")
    accepted = [one.ssh.accept()[0] for _ in range(1)]
    assert accepted[0].recv(100) == b"still here"
    for connection in (*accepted, flow):
        connection.close()

    # An interface that goes and comes back, as at a reboot, is connected without another word.
    lab.unplug(one)
    lab.host.run(lab.plug, one)
    one.run(one._configure)
    wait_until(lambda: lab.host.reaches("198.18.0.11", 22), 3, "the interface that came back")

    # The last instance takes the filter with it.
    lab.apply(Desired())
    for instance in lab.instances:
        lab.unplug(instance)
    lab.stop()
    assert not table_of(lab)
    assert "198.18" not in lab.hosts_file.read_text()
