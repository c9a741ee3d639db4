"""Security groups, routes, ACLs and addresses, judged by real packets between network namespaces."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from machines.lab import (
    ANY,
    HOST_ADDRESS,
    WORLD_ADDRESS,
    A,
    Function,
    Instance,
    Lab,
    N,
    desired,
    group,
    made,
    subnet,
    tcp,
)
from support import wait_until
from undercast.network.model import Acl, AclEntry, Route, Rule, Via

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

PUBLIC = {1: "198.18.0.11", 2: "198.18.0.12", 3: "198.18.0.13"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with made(tmp_path_factory.mktemp("lab")) as lab:
        for number in (11, 12, 13):
            lab.instance(f"172.31.0.{number}")
        lab.instance("172.31.16.14")  # in another subnet
        yield lab


@pytest.fixture
def four(lab: Lab) -> list[Instance]:
    return lab.instances


def callers(listener: socket.socket) -> list[str]:
    """The addresses of everyone who has connected and was not accepted yet."""
    found = []
    listener.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while True:
            connection, peer = listener.accept()
            connection.close()
            found.append(peer[0])
    return found


NEAR, FAR = subnet("subnet-a", "172.31.0.0/20"), subnet("subnet-b", "172.31.16.0/20")


def test_ingress_from_the_host(lab: Lab, four: list[Instance]) -> None:
    one, two, *_ = four
    interfaces = [one.interface("subnet-a", "sg-1", public=PUBLIC[1]), two.interface("subnet-a", "sg-1")]

    lab.apply(desired(interfaces, [group("sg-1")], [NEAR]))
    assert not lab.host.reaches(one.address, 22)
    assert not lab.host.reaches(PUBLIC[1], 22)
    assert not lab.host.pings(one.address)

    took = lab.apply(desired(interfaces, [group("sg-1", tcp(22, cidr=f"{HOST_ADDRESS}/32"))], [NEAR]))
    assert lab.host.reaches(one.address, 22)
    assert lab.host.reaches(PUBLIC[1], 22)
    assert not lab.host.reaches(one.address, 80)
    assert not two.reaches(one.address, 22)
    assert took < 0.1

    # Any of the machine's own addresses means the machine.
    lab.apply(desired(interfaces, [group("sg-1", tcp(80, 90, cidr="127.0.0.1/32"))], [NEAR]))
    assert lab.host.reaches(one.address, 80)
    assert lab.host.reaches(PUBLIC[1], 80)
    assert not lab.host.reaches(one.address, 22)

    lab.apply(desired(interfaces, [group("sg-1", Rule(1, 8, 0, (ANY,)))], [NEAR]))
    assert lab.host.pings(one.address)
    assert two.pings(one.address)
    assert not lab.host.reaches(one.address, 22)


def test_references_to_groups_and_egress(lab: Lab, four: list[Instance]) -> None:
    one, two, three, _ = four
    interfaces = [
        one.interface("subnet-a", "sg-1", public=PUBLIC[1]),
        two.interface("subnet-a", "sg-2", public=PUBLIC[2]),
        three.interface("subnet-a", "sg-3"),
    ]
    within = group("sg-1", tcp(22, group="sg-2"))
    lab.apply(desired(interfaces, [within, group("sg-2"), group("sg-3")], [NEAR]))
    assert two.reaches(one.address, 22)
    assert not two.reaches(one.address, 80)
    assert not three.reaches(one.address, 22)
    # Through the public address a sender is its public address, no longer a member of the group.
    assert not two.reaches(PUBLIC[1], 22)

    by_public = group("sg-1", tcp(22, cidr=f"{PUBLIC[2]}/32"))
    lab.apply(desired(interfaces, [by_public, group("sg-2"), group("sg-3")], [NEAR]))
    assert two.reaches(PUBLIC[1], 22)
    assert not two.reaches(one.address, 22)
    assert PUBLIC[2] in callers(one.ssh)

    silent = group("sg-2", egress=())
    lab.apply(desired(interfaces, [group("sg-1", tcp(0, 65535)), silent, group("sg-3")], [NEAR]))
    assert not two.reaches(one.address, 22)
    assert not two.reaches(WORLD_ADDRESS, 9)
    assert three.reaches(one.address, 22)

    narrow = group("sg-2", egress=(tcp(80, group="sg-1"),))
    lab.apply(desired(interfaces, [group("sg-1", tcp(0, 65535)), narrow, group("sg-3")], [NEAR]))
    assert two.reaches(one.address, 80)
    assert not two.reaches(one.address, 22)
    assert not two.reaches(PUBLIC[1], 80)


def test_nobody_speaks_for_another(lab: Lab, four: list[Instance]) -> None:
    one, two, three, _ = four
    interfaces = [
        one.interface("subnet-a", "sg-1"),
        two.interface("subnet-a", "sg-1"),
        three.interface("subnet-a", "sg-1"),
    ]
    rules = group("sg-1", Rule(17, 5000, 5000, (ANY,)), tcp(22))
    lab.apply(desired(interfaces, [rules], [NEAR]))
    heard = one.listen(5000, kind=2)
    heard.settimeout(0.3)
    two.send(one.address, 5000, b"honest")
    data, peer = heard.recvfrom(100)
    assert (data, peer[0]) == (b"honest", two.address)
    for stolen in (three.address, HOST_ADDRESS, "9.9.9.9", "169.254.0.1"):
        two.borrow(stolen)
        two.send(one.address, 5000, b"stolen", source=stolen)
        with pytest.raises(TimeoutError):
            heard.recvfrom(100)
    heard.close()
    two.set_mac(three.mac)
    assert not two.reaches(one.address, 22)
    two.set_mac(two.mac)
    assert two.reaches(one.address, 22, 2)


def test_instances_need_not_be_asked_for(lab: Lab, four: list[Instance]) -> None:
    """A question asked before an instance can answer would be repeated after a second only (arp(7))."""
    one = four[0]
    lab.apply(desired([one.interface("subnet-a")], [], [NEAR]))

    def known() -> set[tuple[str, str, int]]:
        with IPRoute() as ip:
            found = ip.get_neighbours(family=socket.AF_INET, ifindex=socket.if_nametoindex(one.vif))
            return {(n.get_attr("NDA_DST"), n.get_attr("NDA_LLADDR"), n["state"]) for n in found}

    def down_and_up() -> None:
        with IPRoute() as ip:
            for state in ("down", "up"):
                ip.link("set", index=socket.if_nametoindex(one.vif), state=state)

    permanent = (one.address, one.mac, 0x80)
    assert permanent in lab.host.run(known)
    lab.host.run(down_and_up)
    wait_until(lambda: permanent in lab.host.run(known), what="the instance is known again")


def test_ways_out(lab: Lab, four: list[Instance]) -> None:
    one, two, *_ = four
    world = lab.world.listen(9000)
    everything = group("sg-1", tcp(0, 65535))

    def apply(*routes: Route, public: str | None = PUBLIC[1]) -> None:
        with_routes = subnet("subnet-a", "172.31.0.0/20", *routes)
        interfaces = [one.interface("subnet-a", "sg-1", public=public), two.interface("subnet-a", "sg-1")]
        lab.apply(desired(interfaces, [everything], [with_routes]))

    apply(Route(ANY, Via.INTERNET))
    assert one.reaches("8.8.8.8", 9000)
    assert callers(world) == [HOST_ADDRESS]
    assert not two.reaches("8.8.8.8", 9000)  # an internet gateway serves public addresses alone
    assert lab.host.reaches(PUBLIC[1], 22)

    apply(Route(ANY, Via.NOWHERE))
    assert not one.reaches("8.8.8.8", 9000)
    assert not lab.host.reaches(PUBLIC[1], 22)
    assert one.reaches(two.address, 22)
    assert lab.host.reaches(one.address, 22)  # the machine itself stands inside

    apply(Route(ANY, Via.NAT, A("198.18.0.99")), public=None)
    assert one.reaches("8.8.8.8", 9000)
    assert two.reaches("8.8.8.8", 9000)

    apply(Route(N("8.8.8.8/32"), Via.NOWHERE), Route(ANY, Via.INTERNET))
    assert not one.reaches("8.8.8.8", 9000)
    assert one.reaches(WORLD_ADDRESS, 9000)
    # The world cannot walk in, neither to private nor to public addresses.
    assert not lab.world.reaches(one.address, 22)
    assert not lab.world.reaches(PUBLIC[1], 22)
    world.close()


def test_the_machine_moves_to_another_network(lab: Lab, four: list[Instance]) -> None:
    one = four[0]
    interfaces = [one.interface("subnet-a", "sg-1", public=PUBLIC[1])]
    lab.apply(desired(interfaces, [group("sg-1", tcp(22, cidr="192.0.2.77/32"))], [NEAR]))
    assert not lab.host.reaches(PUBLIC[1], 22)
    lab.host.run(lab.second_address, "192.0.2.77")
    wait_until(lambda: lab.host.reaches(PUBLIC[1], 22), 5, "the rules to follow the address")


def test_functions_come_as_anybody(lab: Lab, four: list[Instance]) -> None:
    one = four[0]
    interfaces = [one.interface("subnet-a", "sg-1", public=PUBLIC[1])]
    function = Function(lab)
    try:
        lab.apply(desired(interfaces, [group("sg-1", tcp(22), tcp(80, cidr="127.0.0.1/32"))], [NEAR]))
        callers(one.ssh)
        assert function.reaches(PUBLIC[1], 22)
        assert callers(one.ssh) == ["198.18.0.1"]
        assert not function.reaches(PUBLIC[1], 80)  # a function is not this machine
        assert not function.reaches(one.address, 22)
        assert not one.reaches(function.ADDRESS, 9)
    finally:
        function.close()


def test_network_acls_are_stateless(lab: Lab, four: list[Instance]) -> None:
    one, two, _, far = four
    everything = group("sg-1", tcp(0, 65535))
    interfaces = [i.interface("subnet-a", "sg-1") for i in (one, two)] + [far.interface("subnet-b", "sg-1")]

    def apply(ingress: tuple[AclEntry, ...], egress: tuple[AclEntry, ...]) -> None:
        guarded = subnet("subnet-b", "172.31.16.0/20", acl="acl-1")
        acl = Acl("acl-1", ingress, egress)
        lab.apply(desired(interfaces, [everything], [NEAR, guarded], acl))

    allow = AclEntry(True, Rule(None, cidrs=(ANY,)))
    apply((AclEntry(False, tcp(22, cidr=f"{one.address}/32")), allow), (allow,))
    assert not one.reaches(far.address, 22)
    assert one.reaches(far.address, 80)
    assert two.reaches(far.address, 22)
    assert lab.host.reaches(far.address, 22)
    # Answers need a rule of their own.
    apply((allow,), (AclEntry(True, tcp(443)),))
    assert not one.reaches(far.address, 22)
    apply((allow,), (AclEntry(True, tcp(1024, 65535)),))
    assert one.reaches(far.address, 22)
    assert one.reaches(two.address, 22)
    apply((), ())
    assert not lab.host.reaches(far.address, 22)


def test_networks_of_others_are_not_there(lab: Lab, four: list[Instance]) -> None:
    one, two, *_ = four
    theirs = subnet("subnet-b", "172.31.0.0/20", vpc="vpc-2")
    everything = group("sg-1", tcp(0, 65535), Rule(1, None, None, (ANY,)))
    interfaces = [
        one.interface("subnet-a", "sg-1", public=PUBLIC[1]),
        two.interface("subnet-b", "sg-1", public=PUBLIC[2]),
    ]
    lab.apply(desired(interfaces, [everything], [NEAR, theirs]))
    assert not one.reaches(two.address, 22)
    assert not one.pings(two.address)
    assert one.reaches(PUBLIC[2], 22)  # as from anywhere on the internet
    # An interface the filter was not told of is cut off.
    lab.apply(desired(interfaces[:1], [everything], [NEAR]))
    assert not two.reaches(one.address, 22)
    assert not two.reaches("8.8.8.8", 9000)
    assert not lab.host.reaches(two.address, 22)


def test_flows_when_their_rule_goes(lab: Lab, four: list[Instance]) -> None:
    one, two, *_ = four
    interfaces = [one.interface("subnet-a", "sg-1", public=PUBLIC[1]), two.interface("subnet-a", "sg-2")]

    def flow_survives(rule: Rule) -> bool:
        lab.apply(desired(interfaces, [group("sg-1", rule), group("sg-2")], [NEAR]))
        server = one.listen(7000)
        client = lab.host.connect(PUBLIC[1], 7000)
        accepted, _ = server.accept()
        accepted.settimeout(0.4)
        lab.apply(desired(interfaces, [group("sg-1"), group("sg-2")], [NEAR]))
        client.sendall(b"still there?")
        try:
            return accepted.recv(100) == b"still there?"
        except TimeoutError:
            return False
        finally:
            for one_socket in (client, accepted, server):
                one_socket.close()

    assert flow_survives(tcp(7000, cidr=f"{HOST_ADDRESS}/32"))  # tracked: lives on
    assert not flow_survives(tcp(7000))  # untracked on AWS: cut at once
