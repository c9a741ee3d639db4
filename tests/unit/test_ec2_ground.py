"""What every EC2 resource stands on: the estate, ids, filters, pages, tags, keys, the catalogue."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from undercast.services.base import AwsError
from undercast.services.ec2 import ids, launch_request, prices, ssh_keys, tags, volume_types, zones
from undercast.services.ec2.catalogue import catalogue, instance_type
from undercast.services.ec2.estate import Estate, Mutation
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import page
from undercast.store import Base, Store
from undercast.store.tables import ec2_resources as ec2_resources

ACCOUNT, REGION = "111122223333", "us-east-1"


def error_of(action: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        action()
    return caught.value.code, caught.value.message


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path / 'test.db'}")
    Base.metadata.create_all(store.engine)
    return store


def test_estate_is_atomic_durable_and_tells(store: Store) -> None:
    estate = Estate(store)
    heard: list[Mutation] = []
    estate.listen(heard.extend)
    when = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    record = {
        "VolumeId": "vol-1",
        "CreateTime": when,
        "_Data": b"\x00\xff",
        "Tags": [],
        "N": {"x": [1, None]},
    }
    with estate.change(ACCOUNT, REGION) as change:
        change.put("volume", "vol-1", record)
        assert change.all("volume") == [record]
        assert estate.all(ACCOUNT, REGION, "volume") == []  # not before the end
    assert [(m.key.id, m.before, m.after) for m in heard] == [("vol-1", None, record)]

    with pytest.raises(RuntimeError), estate.change(ACCOUNT, REGION) as change:
        change.delete("volume", "vol-1")
        raise RuntimeError
    with pytest.raises(AwsError, match="DryRunOperation"), estate.change(ACCOUNT, REGION, dry=True) as change:
        change.delete("volume", "vol-1")
    assert estate.get(ACCOUNT, REGION, "volume", "vol-1") is record
    assert Estate(store).all(ACCOUNT, REGION, "volume") == [record]  # as another process would read it

    with estate.change(ACCOUNT, REGION) as change:
        change.update("volume", "vol-1", State="available")
        change.put("volume", "vol-2", {"VolumeId": "vol-2"}, region="eu-west-1")
    assert Estate(store).get(ACCOUNT, REGION, "volume", "vol-1") == {**record, "State": "available"}
    assert [key.region for key, _ in estate.everywhere("volume")] == [REGION, "eu-west-1"]

    with store.write() as session:
        estate.erase(session, ACCOUNT)
    estate.forget(ACCOUNT)
    assert estate.everywhere("volume") == [] == Estate(store).everywhere("volume")
    assert all(m.after is None for m in heard[-2:])


def test_ids() -> None:
    made = ids.new_id("vol")
    assert len(made) == len("vol-") + 17
    assert ids.kind_of(made) == "volume"
    assert ids.kind_of("i-1234abcd") == "instance"
    assert ids.kind_of("eni-attach-0123456789abcdef0") == "network-interface-attachment"
    assert ids.kind_of("i-XYZ") is None
    assert error_of(lambda: ids.check("instance", "i-foo")) == (
        "InvalidInstanceID.Malformed",
        'Invalid id: "i-foo"',
    )
    assert error_of(lambda: ids.check("instance", "foo"))[1] == 'Invalid id: "foo" (expecting "i-...")'
    one = ids.not_found("instance", "i-1")
    assert (one.code, one.message) == ("InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist")
    assert ids.not_found("instance", "i-1", "i-2").message == "The instance IDs 'i-1, i-2' do not exist"


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("state", ["running"], {1, 2}),
        ("state", ["run*"], {1, 2}),
        ("state", ["r?nning"], {1, 2}),
        ("state", ["RUNNING"], set()),
        ("size", ["8"], {1}),
        ("on", ["true"], {2}),
        ("group", ["sg-1", "sg-9"], {1, 2}),
        ("group", ["sg-2"], {1}),
        ("when", ["2026-01-02T*"], {3}),
        ("tag:Name", ["we?"], {1}),
        ("tag:Name", [r"a\*b"], {2}),
        ("tag-key", ["Name"], {1, 2}),
        ("computed", ["3"], {3}),
    ],
)
def test_filters(name: str, values: list[str], found: set[int]) -> None:
    records = [
        {
            "Id": 1,
            "State": {"Name": "running"},
            "Size": 8,
            "Groups": [{"Id": "sg-1"}, {"Id": "sg-2"}],
            "Tags": [{"Key": "Name", "Value": "web"}],
        },
        {
            "Id": 2,
            "State": {"Name": "running"},
            "On": True,
            "Groups": [{"Id": "sg-9"}],
            "Tags": [{"Key": "Name", "Value": "a*b"}],
        },
        {"Id": 3, "State": {"Name": "stopped"}, "When": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)},
    ]
    filters = Filters(
        {
            "state": "State.Name",
            "size": "Size",
            "on": "On",
            "group": "Groups.Id",
            "when": "When",
            "computed": lambda record: record["Id"],
        }
    )
    assert {r["Id"] for r in filters.select(records, [{"Name": name, "Values": values}])} == found


def test_filters_refuse() -> None:
    filters = Filters({"a": "A"}, tagged=False)
    for name in ("nonsense", "tag:x"):
        refused = error_of(lambda name=name: filters.select([], [{"Name": name, "Values": ["x"]}]))
        assert refused == ("InvalidParameterValue", f"The filter '{name}' is invalid")
    with pytest.raises(AwsError):
        filters.select([], [{"Name": "a", "Values": []}])


def test_pages_hold_while_things_change() -> None:
    items = [f"i-{n:03d}" for n in range(12)]
    first, token = page(items, {"MaxResults": 5}, str)
    assert first == items[:5]
    assert token
    items.remove("i-001")
    items.append("i-000a")
    second, token = page(items, {"MaxResults": 5, "NextToken": token}, str)
    assert second == [f"i-{n:03d}" for n in range(5, 10)]
    third, end = page(items, {"MaxResults": 5, "NextToken": token}, str)
    assert (third, end) == (["i-010", "i-011"], None)
    assert "greater than 5" in error_of(lambda: page(items, {"MaxResults": 4}, str))[1]
    assert error_of(lambda: page(items, {"NextToken": "?"}, str))[0] == "InvalidParameterValue"


def test_tags() -> None:
    assert tags.merge([{"Key": "a", "Value": "1"}], [{"Key": "a", "Value": "2"}, {"Key": "b"}]) == [
        {"Key": "a", "Value": "2"},
        {"Key": "b", "Value": ""},
    ]
    assert error_of(lambda: tags.merge([], [{"Key": "aws:x", "Value": ""}]))[0] == "InvalidParameterValue"
    assert error_of(lambda: tags.merge([], [{"Key": "k" * 128, "Value": ""}]))[0] == "InvalidParameterValue"
    many = [{"Key": str(n), "Value": ""} for n in range(51)]
    assert error_of(lambda: tags.merge([], many))[0] == "TagLimitExceeded"
    params = {"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "1"}]}]}
    assert tags.from_specifications(params, "volume") == [{"Key": "a", "Value": "1"}]
    assert tags.from_specifications(params, "instance", "volume") == []
    assert "not a valid taggable" in error_of(lambda: tags.from_specifications(params, "vpc"))[1]


def openssl(*args: str, data: bytes) -> bytes:
    return subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=20, check=True).stdout


def colons(digest: str) -> str:
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def test_rsa_fingerprints_as_openssl_computes_them() -> None:
    made = ssh_keys.make("rsa", "pem")
    assert made.private.startswith("-----BEGIN RSA PRIVATE KEY-----")
    # The two commands of AWS's documentation.
    pkcs8 = openssl(
        "pkcs8", "-inform", "PEM", "-outform", "DER", "-topk8", "-nocrypt", data=made.private.encode()
    )
    assert made.fingerprint == colons(hashlib.sha1(pkcs8).hexdigest())
    public = openssl("rsa", "-pubout", "-outform", "DER", data=made.private.encode())
    assert ssh_keys.fingerprint(made.public) == colons(hashlib.md5(public).hexdigest())


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_keys_saved_as_they_come_are_read_by_ssh(tmp_path: Path, kind: str) -> None:
    made = ssh_keys.make(kind, "pem")
    for number, text in enumerate(
        (made.private, made.private + "\n")
    ):  # as boto3 gives it, as the CLI prints it
        file = tmp_path / str(number)
        file.write_text(text)
        file.chmod(0o600)
        shown = subprocess.run(
            ["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, timeout=20, check=True
        ).stdout
        assert ssh_keys.read(shown.encode()) == made.public


def test_ed25519_fingerprint_as_ssh_keygen_computes_it(tmp_path: Path) -> None:
    made = ssh_keys.make("ed25519", "pem")
    file = tmp_path / "key"
    file.write_text(made.private)
    file.chmod(0o600)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-E", "sha256", "-f", file],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout
    assert made.fingerprint.rstrip("=") == shown.split()[1].removeprefix("SHA256:")


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_ppk(kind: str) -> None:
    lines = ssh_keys.make(kind, "ppk").private.split("\n")
    assert lines[0] == f"PuTTY-User-Key-File-2: ssh-{kind}"
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    start = lines.index(f"Public-Lines: {fields['Public-Lines']}") + 1
    public = "".join(lines[start : start + int(fields["Public-Lines"])])
    key = ssh_keys.read(f"ssh-{kind} {public}".encode())
    assert ssh_keys.kind(key) == kind
    assert len(fields["Private-MAC"]) == 40


def test_public_keys_are_read_in_every_form() -> None:
    key = ssh_keys.make("rsa", "pem").public
    line = ssh_keys.openssh(key, "me@here").encode()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = line.split()[1]
    rfc4716 = b"---- BEGIN SSH2 PUBLIC KEY ----\nComment: x\n" + body + b"\n---- END SSH2 PUBLIC KEY ----\n"
    for material in (line, line + b"\n", der, base64.b64encode(der), rfc4716):
        assert ssh_keys.fingerprint(ssh_keys.read(material)) == ssh_keys.fingerprint(key)
    for bad in (b"", b"ssh-rsa AAAA", b"hello", b"ssh-dss AAAAB3NzaC1kc3M="):
        with pytest.raises(ssh_keys.BadKey):
            ssh_keys.read(bad)


def test_catalogue() -> None:
    micro = instance_type("t2.micro")
    assert (micro.vcpus, micro.memory_mib, micro.architectures) == (1, 1024, ("i386", "x86_64"))
    assert micro.described["FreeTierEligible"]
    assert instance_type("t3.micro").described["FreeTierEligible"]
    assert instance_type("p5.48xlarge").gpus == 8
    assert instance_type("m7g.large").architectures == ("arm64",)
    assert len(catalogue()) > 1000
    assert error_of(lambda: instance_type("t9.huge")) == (
        "InvalidParameterValue",
        "Invalid value 't9.huge' for InstanceType.",
    )


def test_volume_performance() -> None:
    assert volume_types.performance("gp2", 8, None, None) == {"VolumeType": "gp2", "Size": 8, "Iops": 100}
    gp3 = volume_types.performance("gp3", 100, 4000, None)
    assert (gp3["Iops"], gp3["Throughput"]) == (4000, 125)
    assert error_of(lambda: volume_types.performance("io1", 10, None, None))[0] == "MissingParameter"
    assert error_of(lambda: volume_types.performance("st1", 10, None, None))[0] == "InvalidParameterValue"
    assert error_of(lambda: volume_types.performance("gp9", 10, None, None))[0] == "UnknownVolumeType"


def test_zones_and_prices() -> None:
    assert [zone.id for zone in zones.zones("us-east-1")] == [f"use1-az{n}" for n in range(1, 7)]
    assert [zone.name for zone in zones.zones("ap-northeast-1")] == [f"ap-northeast-1{c}" for c in "acd"]
    kind = instance_type("t3.micro")
    now = dt.datetime(2026, 5, 1, 13, 30, tzinfo=dt.UTC)
    assert prices.on_demand(kind) == 0.0104
    assert 0 < prices.spot(kind, "us-east-1a", now) < prices.on_demand(kind)
    assert prices.epoch(now).hour == 12
    assert all(prices.on_demand(one) > 0 for one in catalogue().values())


def test_launch_parameters() -> None:
    assert launch_request.user_data({"UserData": base64.b64encode(b"#!/bin/sh\n").decode()}) == b"#!/bin/sh\n"
    big = base64.b64encode(bytes(16385)).decode()
    assert error_of(lambda: launch_request.user_data({"UserData": big}))[1].startswith("User data is limited")
    assert error_of(lambda: launch_request.user_data({"UserData": "%%%"}))[0] == "InvalidParameterValue"
    assert (
        error_of(lambda: launch_request.check({"MinCount": 3, "MaxCount": 2}))[0] == "InvalidParameterValue"
    )
    arm = {"Architecture": "arm64"}
    assert (
        "does not match the architecture 'arm64'"
        in error_of(lambda: launch_request.kind_for({"InstanceType": "t2.micro"}, arm))[1]
    )
    options = launch_request.metadata_options({"HttpTokens": "required"}, {})
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    micro = instance_type("t3.micro")
    assert launch_request.cpu_options({"CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 1}}, micro) == {
        "CoreCount": 1,
        "ThreadsPerCore": 1,
    }
    assert launch_request.cpu_credits({}, micro) == "unlimited"
    assert launch_request.cpu_credits({}, instance_type("m5.large")) is None
