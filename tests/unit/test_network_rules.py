"""The packet filter as data, scripts between two of them, flows to end, and what instances are told."""

from __future__ import annotations

import datetime as dt
import ipaddress
import struct

import pytest

from undercast.network import metadata_tree
from undercast.network.base_chains import Host
from undercast.network.conntrack import Stale, stale
from undercast.network.filter import render
from undercast.network.links import moves, up_links
from undercast.network.metadata import Tokens
from undercast.network.metadata_model import InterfaceMetadata, MachineMetadata
from undercast.network.model import (
    Acl,
    AclEntry,
    Address,
    Cidr,
    Desired,
    Group,
    Interface,
    Route,
    Rule,
    Subnet,
    Via,
    vif_name,
)

ANY = Cidr("0.0.0.0/0")
ALL = Rule(None, cidrs=(ANY,))
HOST = Host(
    "undercast_abcdef", "uiabcdef", Address("169.254.87.1"), 1, 2, 3, (4566,), Cidr("198.18.0.0/16"), False,
    ("eth0",), frozenset({Address("192.0.2.2"), Address("127.0.0.1")}),
)  # fmt: skip


def network(*ingress: Rule, public: str | None = None, number: int = 1) -> Desired:
    address = Address(f"172.31.0.{10 + number}")
    interface = Interface(
        f"eni-{number}", "0" * 12, f"i-{number}", vif_name("abcdef", f"eni-{number}"), "02:00:00:00:00:01",
        (address,), "subnet-1", ("sg-1",), {address: Address(public)} if public else {},
    )  # fmt: skip
    acl = Acl("acl-1", (AclEntry(True, ALL),), (AclEntry(True, ALL),))
    subnet = Subnet("subnet-1", "vpc-1", Cidr("172.31.0.0/20"), "acl-1", (Route(ANY, Via.INTERNET),))
    return Desired(
        (interface,), {"sg-1": Group("sg-1", ingress, (ALL,))}, {"subnet-1": subnet}, {"acl-1": acl}
    )


def rules_of(*ingress: Rule) -> list[str]:
    return list(render(network(*ingress), HOST).chains["gi_sg_1"])


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(6, 22, 22, (ANY,)), "tcp dport 22 accept"),
        (
            Rule(17, 1, 9, (Cidr("10.0.0.0/9"), Cidr("10.128.0.0/9"))),
            "udp dport 1-9 ip saddr { 10.0.0.0/8 } accept",
        ),
        (Rule(6, 0, 65535, (ANY,)), "ip protocol tcp accept"),
        (Rule(1, 8, None, (ANY,)), "icmp type 8 accept"),
        (Rule(50, cidrs=(ANY,)), "ip protocol 50 accept"),
        (Rule(None, groups=("sg-2",)), "ip saddr @gm_sg_2 accept"),
    ],
)  # fmt: skip
def test_rules(rule: Rule, text: str) -> None:
    assert rules_of(rule) == [text]


def test_any_address_of_this_machine_means_the_machine() -> None:
    (text,) = rules_of(Rule(6, 22, 22, (Cidr("127.0.0.1/32"),)))
    assert "169.254.0.1/32" in text and "192.0.2.2/32" in text and "127.0.0.1/32" in text
    (text,) = rules_of(Rule(6, 22, 22, (Cidr("9.9.9.9/32"),)))
    assert text == "tcp dport 22 ip saddr { 9.9.9.9/32 } accept"


def test_only_what_differs_is_written() -> None:
    old, new = render(network(Rule(6, 22, 22, (ANY,))), HOST), render(network(Rule(6, 23, 23, (ANY,))), HOST)
    assert old.changes(old) == ""
    assert old.changes(new).splitlines() == [
        "flush chain inet undercast_abcdef gi_sg_1",
        "add rule inet undercast_abcdef gi_sg_1 tcp dport 23 accept",
    ]
    gone = new.changes(render(Desired(), HOST))
    # What leads to a chain goes before the chain.
    assert gone.index("delete element inet undercast_abcdef ingress") < gone.index("delete chain")


def test_nothing_but_ids_and_addresses_reaches_the_rules() -> None:
    with pytest.raises(ValueError, match="not an interface"):
        Interface("eni-1", "0" * 12, "i-1", "x; flush ruleset", "02:00:00:00:00:01", (Address(1),), "s", ())
    bad = network(Rule(None, groups=("sg-1 accept; drop",)))
    with pytest.raises(ValueError, match="not a resource id"):
        render(bad, HOST)


def test_which_flows_end() -> None:
    address = Address("172.31.0.11")
    open_rule, narrow = Rule(6, 22, 22, (ANY,)), Rule(6, 22, 22, (Cidr("10.0.0.0/8"),))
    assert stale(network(open_rule), network()) == [Stale(address, True, open_rule)]
    assert stale(network(narrow), network()) == []  # tracked on AWS: lives on
    assert stale(network(), network(open_rule)) == []
    assert stale(network(), Desired()) == [Stale(address)]
    moved = stale(network(public="198.18.0.1"), network(public="198.18.0.2"))
    assert moved == [Stale(Address("198.18.0.1")), Stale(address, inward=False)]


def test_tokens() -> None:
    tokens = Tokens()
    token = tokens.issue("i-1", 60)
    assert 58 < tokens.remaining("i-1", token) <= 60
    assert tokens.remaining("i-2", token) == 0
    assert tokens.remaining("i-1", token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]) == 0
    assert tokens.remaining("i-1", "nonsense") == 0
    assert tokens.remaining("i-1", tokens.issue("i-1", 0)) == 0
    assert Tokens().remaining("i-1", token) == 0


def test_metadata_paths() -> None:
    now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    interface = InterfaceMetadata(
        "eni-1", "02:00:00:00:00:01", 0, "0" * 12, "ip-1", ("10.0.0.4", "10.0.0.5"), "ec2-1",
        {"198.18.0.1": "10.0.0.4"}, {"sg-1": "a", "sg-2": "b"}, "subnet-1", "10.0.0.0/24", "vpc-1",
        ("10.0.0.0/16",),
    )  # fmt: skip
    machine = MachineMetadata(
        "i-1", "0" * 12, "us-east-1", "us-east-1a", "use1-az1", "ami-1", "t2.micro", "x86_64", "r-1", 3, now,
        (interface,),
    )  # fmt: skip

    def read(path: str) -> str:
        return metadata_tree.read(machine, path).decode()

    assert read("/").endswith("latest")
    assert read("/latest/meta-data/ami-launch-index") == "3"
    assert read("/latest/meta-data/security-groups") == "a\nb"
    assert read("/2009-04-04/meta-data/public-ipv4") == "198.18.0.1"
    mac = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01"
    assert read(f"{mac}/ipv4-associations/198.18.0.1") == "10.0.0.4"
    assert read(f"{mac}/local-ipv4s") == "10.0.0.4\n10.0.0.5"
    for missing in (
        "/latest/user-data",
        "/latest/meta-data/iam/info",
        "/1999-01-01/",
        "/latest/meta-data/mac/x",
    ):
        with pytest.raises(metadata_tree.Missing):
            read(f"/latest/{missing}")


def test_links_that_come_up() -> None:
    def message(kind: int, flags: int, name: str) -> bytes:
        attribute = name.encode() + b"\0"
        padded = struct.pack("=HH", 4 + len(attribute), 3) + attribute
        padded += b"\0" * (-len(padded) % 4)
        body = struct.pack("=BxHiII", 0, 1, 7, flags, 0) + padded
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body

    data = message(16, 1, "uiabcdef1") + message(16, 0, "down") + message(17, 1, "deleted")
    assert up_links(data) == ["uiabcdef1"]
    assert up_links(data[:10]) == []
    route = struct.pack("=IHHII", 28, 24, 0, 0, 0) + bytes(12)
    assert not moves(data) and moves(data + route)
    assert not moves(route[:17] + bytes([32]) + route[18:])
    assert moves(struct.pack("=IHHII", 24, 20, 0, 0, 0) + bytes(8))


def test_names_of_interfaces() -> None:
    name = vif_name("abcdef", "eni-0123456789abcdef0")
    assert len(name) == 15 and name.startswith("uiabcdef")
    assert ipaddress.ip_address("169.254.87.1") == HOST.node
