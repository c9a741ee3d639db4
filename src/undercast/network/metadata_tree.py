"""The paths below /latest/ that an instance may read (EC2 User Guide, "Instance metadata categories")."""

from __future__ import annotations

import datetime as dt

import orjson

from undercast.network.metadata_model import InterfaceMetadata, MachineMetadata, Profile

VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20",
    "2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01",
    "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", "latest",
)  # fmt: skip


class Missing(Exception):
    """There is nothing at the path."""


def read(machine: MachineMetadata, path: str) -> bytes:
    """What stands at `path` (with its leading slash). Raises `Missing`. May block for credentials."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join(VERSIONS).encode()
    version, *rest = parts
    if version not in VERSIONS:
        raise Missing(path)
    if not rest:
        shown = ["dynamic", "meta-data"] + (["user-data"] if machine.user_data is not None else [])
        return "\n".join(shown).encode()
    kind, *rest = rest
    if kind == "user-data" and not rest and machine.user_data is not None:
        return machine.user_data
    if kind == "meta-data":
        # The key's own folder lists "0=name", which is no path: AWS's oddity, and programs rely on it.
        if rest == ["public-keys"] and machine.public_keys:
            return "\n".join(f"{i}={name}" for i, name in enumerate(machine.public_keys)).encode()
        return _walk(_meta_data(machine), rest, path)
    if kind == "dynamic":
        return _walk(_dynamic(machine), rest, path)
    raise Missing(path)


def _walk(node: object, parts: list[str], path: str) -> bytes:
    for position, part in enumerate(parts):
        if not isinstance(node, dict):
            raise Missing(path)
        rest = "/".join(parts[position:])
        if rest in node:  # tag keys may hold slashes
            node = node[rest]
            break
        if part not in node:
            raise Missing(path)
        node = node[part]
    if isinstance(node, dict):
        return "\n".join(f"{k}/" if isinstance(v, dict) else k for k, v in sorted(node.items())).encode()
    if callable(node):
        node = node()
    return str(node).encode()


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(document: object) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _meta_data(machine: MachineMetadata) -> dict[str, object]:
    first = machine.interfaces[0]
    public_ipv4 = next(iter(first.public), None)
    tree: dict[str, object] = {
        "ami-id": machine.image_id,
        "ami-launch-index": str(machine.launch_index),
        "ami-manifest-path": "(unknown)",
        "block-device-mapping": dict(machine.block_devices),
        "events": {"maintenance": {"history": "[]", "scheduled": "[]"}},
        "hostname": first.local_hostname,
        "instance-action": "none",
        "instance-id": machine.instance_id,
        "instance-life-cycle": machine.life_cycle,
        "instance-type": machine.instance_type,
        "local-hostname": first.local_hostname,
        "local-ipv4": first.local_ipv4s[0],
        "mac": first.mac,
        "metrics": {"vhostmd": '<?xml version="1.0" encoding="UTF-8"?>'},
        "network": {"interfaces": {"macs": {i.mac: _interface(i) for i in machine.interfaces}}},
        "placement": _placement(machine),
        "profile": "default-hvm",
        "reservation-id": machine.reservation_id,
        "security-groups": "\n".join(first.groups.values()),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "system": "nitro",
    }
    if public_ipv4:
        tree |= {"public-ipv4": public_ipv4, "public-hostname": first.public_hostname}
    if machine.public_keys:
        tree["public-keys"] = {
            str(i): {"openssh-key": line.rstrip("\n") + "\n"}
            for i, line in enumerate(machine.public_keys.values())
        }
    if machine.profile is not None:
        tree["iam"] = _iam(machine.profile)
    if machine.options.tags:
        tree["tags"] = {"instance": dict(machine.tags)}
    if machine.spot is not None:
        tree["spot"] = {
            "instance-action": _json({"action": machine.spot.action, "time": _stamp(machine.spot.time)}),
            **({"termination-time": _stamp(machine.spot.time)} if machine.spot.action == "terminate" else {}),
        }
    return tree


def _interface(interface: InterfaceMetadata) -> dict[str, object]:
    tree: dict[str, object] = {
        "device-number": str(interface.device_number),
        "interface-id": interface.id,
        "local-hostname": interface.local_hostname,
        "local-ipv4s": "\n".join(interface.local_ipv4s),
        "mac": interface.mac,
        "network-card": "0",
        "owner-id": interface.owner,
        "security-group-ids": "\n".join(interface.groups),
        "security-groups": "\n".join(interface.groups.values()),
        "subnet-id": interface.subnet_id,
        "subnet-ipv4-cidr-block": interface.subnet_cidr,
        "vpc-id": interface.vpc_id,
        "vpc-ipv4-cidr-block": interface.vpc_cidrs[0],
        "vpc-ipv4-cidr-blocks": "\n".join(interface.vpc_cidrs),
    }
    if interface.public:
        tree |= {
            "ipv4-associations": dict(interface.public),
            "public-hostname": interface.public_hostname,
            "public-ipv4s": "\n".join(interface.public),
        }
    return tree


def _placement(machine: MachineMetadata) -> dict[str, object]:
    tree: dict[str, object] = {
        "availability-zone": machine.availability_zone,
        "availability-zone-id": machine.availability_zone_id,
        "region": machine.region,
    }
    if machine.placement_group:
        tree["group-name"] = machine.placement_group
    return tree


def _iam(profile: Profile) -> dict[str, object]:
    def credentials() -> str:
        keys = profile.credentials()
        return _json(
            {
                "Code": "Success",
                "LastUpdated": _stamp(keys.issued),
                "Type": "AWS-HMAC",
                "AccessKeyId": keys.access_key_id,
                "SecretAccessKey": keys.secret_access_key,
                "Token": keys.token,
                "Expiration": _stamp(keys.expires),
            }
        )

    info = {
        "Code": "Success",
        "LastUpdated": _stamp(profile.attached),
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": profile.id,
    }
    return {"info": _json(info), "security-credentials": {profile.role: credentials}}


def _dynamic(machine: MachineMetadata) -> dict[str, object]:
    """The identity document. Its signatures are AWS's to make, so those paths are not there."""
    document = {
        "accountId": machine.account,
        "architecture": machine.architecture,
        "availabilityZone": machine.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": machine.image_id,
        "instanceId": machine.instance_id,
        "instanceType": machine.instance_type,
        "kernelId": None,
        "pendingTime": _stamp(machine.launched),
        "privateIp": machine.interfaces[0].local_ipv4s[0],
        "ramdiskId": None,
        "region": machine.region,
        "version": "2017-09-30",
    }
    return {"instance-identity": {"document": _json(document)}}
