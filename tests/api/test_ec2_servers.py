"""EC2 without instances running: types, zones, keys, images, storage, templates, Spot, tags, refusals."""

from __future__ import annotations

import base64
import datetime as dt
import fnmatch
import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from support import Account, unique


@pytest.fixture(scope="module")
def renter(server: Any) -> Account:
    """An account of this module's own."""
    return server.account_factory()


@pytest.fixture(scope="module")
def ec2(renter: Account) -> Any:
    return renter.client("ec2")


@pytest.fixture(scope="module")
def ami(ec2: Any) -> str:
    images = ec2.describe_images(Owners=["amazon"])["Images"]
    return str(images[0]["ImageId"])


def refused(action: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        action(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_regions_zones_and_account(ec2: Any) -> None:
    regions = {r["RegionName"]: r for r in ec2.describe_regions()["Regions"]}
    assert regions["us-east-1"]["Endpoint"] == "ec2.us-east-1.amazonaws.com"
    assert regions["us-east-1"]["OptInStatus"] == "opt-in-not-required"
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [z["ZoneName"] for z in zones] == [f"us-east-1{c}" for c in "abcdef"]
    assert {z["State"] for z in zones} == {"available"}
    one = ec2.describe_availability_zones(Filters=[{"Name": "zone-id", "Values": ["use1-az2"]}])
    assert [z["ZoneName"] for z in one["AvailabilityZones"]] == ["us-east-1b"]
    assert refused(ec2.describe_availability_zones, ZoneNames=["us-east-1z"])[0] == "InvalidParameterValue"
    attributes = ec2.describe_account_attributes(AttributeNames=["supported-platforms"])["AccountAttributes"]
    assert attributes[0]["AttributeValues"] == [{"AttributeValue": "VPC"}]
    assert refused(ec2.describe_regions, DryRun=True)[0] == "DryRunOperation"


def test_instance_types(ec2: Any) -> None:
    free = ec2.describe_instance_types(Filters=[{"Name": "free-tier-eligible", "Values": ["true"]}])
    assert {"t2.micro", "t3.micro"} <= {t["InstanceType"] for t in free["InstanceTypes"]}
    micro = ec2.describe_instance_types(InstanceTypes=["t2.micro"])["InstanceTypes"][0]
    assert micro["VCpuInfo"]["DefaultVCpus"] == 1
    assert micro["MemoryInfo"]["SizeInMiB"] == 1024
    assert micro["NetworkInfo"]["NetworkCards"][0]["NetworkPerformance"] == "Low to Moderate"
    count = sum(len(p["InstanceTypes"]) for p in ec2.get_paginator("describe_instance_types").paginate())
    assert count > 1000
    code, message = refused(ec2.describe_instance_types, InstanceTypes=["t9.micro"])
    assert (code, message) == (
        "InvalidInstanceType",
        "The following supplied instance types do not exist: [t9.micro]",
    )
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["t3.*"]}]
    )["InstanceTypeOfferings"]
    assert {o["Location"] for o in offered} == {f"us-east-1{c}" for c in "abcdef"}
    assert all(o["InstanceType"].startswith("t3.") for o in offered)


def test_key_pairs(ec2: Any, tmp_path: Path) -> None:
    name = unique("key")
    made = ec2.create_key_pair(
        KeyName=name,
        KeyType="ed25519",
        TagSpecifications=[{"ResourceType": "key-pair", "Tags": [{"Key": "team", "Value": "a"}]}],
    )
    assert made["KeyMaterial"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert made["KeyPairId"].startswith("key-0")
    assert made["Tags"] == [{"Key": "team", "Value": "a"}]
    shown = ec2.describe_key_pairs(KeyNames=[name], IncludePublicKey=True)["KeyPairs"][0]
    assert shown["KeyType"] == "ed25519"
    assert "KeyMaterial" not in shown
    file = tmp_path / "key.pem"
    file.write_text(made["KeyMaterial"])
    file.chmod(0o400)
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    assert public.split()[1] == shown["PublicKey"].split()[1]

    assert refused(ec2.create_key_pair, KeyName=name) == (
        "InvalidKeyPair.Duplicate",
        f"The keypair '{name}' already exists.",
    )
    imported = ec2.import_key_pair(KeyName=f"{name}-2", PublicKeyMaterial=public.encode())
    assert imported["KeyFingerprint"] == made["KeyFingerprint"]
    assert refused(ec2.import_key_pair, KeyName="x", PublicKeyMaterial=b"nonsense")[0] == "InvalidKey.Format"
    tagged = ec2.describe_key_pairs(Filters=[{"Name": "tag:team", "Values": ["a"]}])["KeyPairs"]
    assert [k["KeyName"] for k in tagged] == [name]
    assert ec2.delete_key_pair(KeyName=name)["KeyPairId"] == made["KeyPairId"]
    assert ec2.delete_key_pair(KeyName="never-was")["Return"] is True
    assert refused(ec2.describe_key_pairs, KeyNames=[name]) == (
        "InvalidKeyPair.NotFound",
        f"The key pair '{name}' does not exist",
    )
    assert refused(ec2.create_key_pair, KeyName=name, DryRun=True)[0] == "DryRunOperation"
    assert refused(ec2.describe_key_pairs, KeyNames=[name])[0] == "InvalidKeyPair.NotFound"


def test_default_image_and_its_parameters(renter: Account, ec2: Any, ami: str) -> None:
    image = ec2.describe_images(ImageIds=[ami])["Images"][0]
    assert image["State"] == "available"
    assert image["ImageOwnerAlias"] == "amazon"
    assert image["RootDeviceName"] == "/dev/xvda"
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    by_name = ec2.describe_images(Filters=[{"Name": "name", "Values": ["undercast-linux-*"]}])["Images"]
    assert [i["ImageId"] for i in by_name] == [ami]
    assert refused(ec2.describe_images, ImageIds=["ami-00000000000000000"]) == (
        "InvalidAMIID.NotFound",
        "The image id '[ami-00000000000000000]' does not exist",
    )
    assert refused(ec2.describe_images, ImageIds=["ami"])[0] == "InvalidAMIID.Malformed"
    assert refused(ec2.deregister_image, ImageId=ami)[0] == "AuthFailure"

    ssm = renter.client("ssm")
    name = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{image['Architecture']}"
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == ami
    several = ssm.get_parameters(Names=[name, "/no/such"])
    assert (len(several["Parameters"]), several["InvalidParameters"]) == (1, ["/no/such"])
    below = ssm.get_paginator("get_parameters_by_path").paginate(Path="/aws/service/ami-amazon-linux-latest")
    assert name in {p["Name"] for one in below for p in one["Parameters"]}
    assert refused(ssm.get_parameter, Name="/no/such")[0] == "ParameterNotFound"
    dry = refused(
        ec2.run_instances,
        ImageId=f"resolve:ssm:{name}",
        InstanceType="t2.micro",
        MinCount=1,
        MaxCount=1,
        DryRun=True,
    )
    assert dry == ("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")


def test_images_answer_to_the_names_they_are_published_under(ec2: Any, ami: str) -> None:
    """As Terraform's `aws_ami` asks: publisher, pattern, and what a name says about an image."""
    others = {"virtualization-type": ["hvm"], "root-device-type": ["ebs"], "state": ["available"]}

    def ask(owner: str, *names: str) -> list[dict[str, Any]]:
        wanted = {**others, "name": list(names)}
        filters = [{"Name": name, "Values": values} for name, values in wanted.items()]
        images: list[dict[str, Any]] = ec2.describe_images(Owners=[owner], Filters=filters)["Images"]
        return images

    for owner, pattern in (
        ("amazon", "al2023-ami-*"),
        ("137112412989", "al2023-ami-2023*-kernel-6.1-*"),
        ("amazon", "al2023-ami-minimal-*"),
        ("amazon", "amzn2-ami-hvm-2.0*gp2"),
    ):
        found = ask(owner, pattern)
        assert [image["ImageId"] for image in found] == [ami], pattern
        assert fnmatch.fnmatchcase(found[0]["Name"], pattern)
        assert found[0]["ImageLocation"] == f"amazon/{found[0]['Name']}"
    host = platform.freedesktop_os_release()
    published = {
        "debian": ("136693071363", f"debian-{host['VERSION_ID']}-*"),
        "ubuntu": ("099720109477", f"ubuntu/images/*-{host['VERSION_ID']}-*-server-*"),
    }
    for distribution, (owner, pattern) in published.items():
        same = [i for i in ask(owner, pattern) if i["ImageId"] == ami]
        assert [(i["OwnerId"]) for i in same] == ([owner] if distribution == host["ID"] else [])
    assert ask("amazon", "undercast-linux-*")[0]["Name"].startswith("undercast-linux-")
    assert ask("099720109477", "al2023-ami-*") == []
    assert [i["ImageId"] for i in ec2.describe_images()["Images"]].count(ami) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t9.micro"}, "InvalidParameterValue"),
        ({"InstanceType": "m7g.large"}, "InvalidParameterValue"),
        ({"KeyName": "never-was"}, "InvalidKeyPair.NotFound"),
        ({"MinCount": 0}, "InvalidParameterValue"),
        ({"MinCount": 3, "MaxCount": 2}, "InvalidParameterValue"),
        ({"UserData": base64.b64encode(bytes(17000)).decode()}, "InvalidParameterValue"),
        ({"IamInstanceProfile": {"Name": "never-was"}}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        (
            {"LaunchTemplate": {"LaunchTemplateName": "never-was"}},
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ({"Placement": {"GroupName": "never-was"}}, "InvalidPlacementGroup.Unknown"),
        ({"Placement": {"Tenancy": "dedicated"}}, "UnsupportedOperation"),
        (
            {"HibernationOptions": {"Configured": True}, "InstanceType": "t1.micro"},
            "UnsupportedHibernationConfiguration",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}}]},
            "InvalidBlockDeviceMapping",
        ),
        (
            {
                "BlockDeviceMappings": [
                    {"DeviceName": name, "Ebs": {"VolumeSize": 2}} for name in ("/dev/sdf", "/dev/xvdf")
                ]
            },
            "InvalidBlockDeviceMapping",
        ),
        (
            {
                "BlockDeviceMappings": [
                    {"DeviceName": "/dev/sda", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}
                ]
            },
            "InvalidBlockDeviceMapping",
        ),
        ({"BlockDeviceMappings": [{"DeviceName": "sdf", "Ebs": {"VolumeSize": 2}}]}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": []}]}, "InvalidParameterValue"),
    ],
)
def test_launches_are_checked(ec2: Any, ami: str, changes: dict[str, Any], code: str) -> None:
    params = {"ImageId": ami, "InstanceType": "t2.micro", "MinCount": 1, "MaxCount": 1, "DryRun": True}
    assert refused(ec2.run_instances, **{**params, **changes})[0] == code


def test_launching_without_servers_says_what_to_do(ec2: Any, ami: str) -> None:
    code, message = refused(ec2.run_instances, ImageId=ami, InstanceType="t2.micro", MinCount=1, MaxCount=1)
    assert code == "UnsupportedOperation"
    assert message.startswith("Instances cannot be launched here: ")
    assert ec2.describe_instances()["Reservations"] == []
    assert ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["in-use"]}])["Volumes"] == []


def test_unknown_instances_and_filters(ec2: Any) -> None:
    absent = "i-00000000000000000"
    for action in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances, ec2.terminate_instances):
        assert refused(action, InstanceIds=[absent]) == (
            "InvalidInstanceID.NotFound",
            f"The instance ID '{absent}' does not exist",
        )
    assert refused(ec2.describe_instances, InstanceIds=["i-foo"])[0] == "InvalidInstanceID.Malformed"
    assert refused(ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["red"]}]) == (
        "InvalidParameterValue",
        "The filter 'colour' is invalid",
    )
    assert (
        refused(ec2.describe_instances, InstanceIds=[absent], MaxResults=5)[0]
        == "InvalidParameterCombination"
    )
    assert refused(ec2.describe_instances, MaxResults=3)[0] == "InvalidParameterValue"
    assert refused(ec2.describe_instance_status, InstanceIds=[absent])[0] == "InvalidInstanceID.NotFound"
    assert refused(ec2.get_console_output, InstanceId=absent)[0] == "InvalidInstanceID.NotFound"
    assert refused(ec2.modify_instance_attribute, InstanceId=absent, Attribute="userData", Value="x")[0] == (
        "InvalidInstanceID.NotFound"
    )


def test_every_documented_filter_is_known(ec2: Any) -> None:
    """As botocore's own documentation lists them; those of what is not here find nothing."""
    elsewhere = re.compile(r"scan-result|image-watermark|informational|low|medium|high|critical|tag$|tag:")
    known = 0
    for operation in ec2.meta.service_model.operation_names:
        shape = ec2.meta.service_model.operation_model(operation).input_shape
        if not operation.startswith("Describe") or shape is None or "Filters" not in shape.members:
            continue
        names = re.findall(r"<li>\s*<p>\s*<code>([^<]+)</code>", shape.members["Filters"].documentation)
        for name in names:
            if elsewhere.match(name):
                continue
            try:
                getattr(ec2, xform_name(operation))(Filters=[{"Name": name, "Values": ["x"]}])
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("NotImplemented", "MissingParameter"):
                    pytest.fail(f"{operation} {name}: {error}")
                break  # nothing of the operation is here
            known += 1
    assert known > 400
    parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-*"
    named = [{"Name": "public-ssm-parameter-name", "Values": [parameter]}]
    assert len(ec2.describe_images(Filters=named)["Images"]) == 1


def test_volumes_and_snapshots(ec2: Any) -> None:
    tagged = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}]
    made = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=10, VolumeType="gp3", TagSpecifications=tagged, ClientToken="once"
    )
    volume_id = made["VolumeId"]
    again = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=10, VolumeType="gp3", TagSpecifications=tagged, ClientToken="once"
    )
    assert again["VolumeId"] == volume_id
    assert refused(ec2.create_volume, AvailabilityZone="us-east-1a", Size=11, ClientToken="once")[0] == (
        "IdempotentParameterMismatch"
    )
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume_id], WaiterConfig={"Delay": 1})
    shown = ec2.describe_volumes(Filters=[{"Name": "tag:Name", "Values": ["da*"]}])["Volumes"][0]
    assert (shown["Size"], shown["Iops"], shown["Throughput"]) == (10, 3000, 125)
    assert (
        ec2.describe_volume_status(VolumeIds=[volume_id])["VolumeStatuses"][0]["VolumeStatus"]["Status"]
        == "ok"
    )

    modified = ec2.modify_volume(VolumeId=volume_id, VolumeType="gp2")["VolumeModification"]
    assert (modified["OriginalVolumeType"], modified["TargetVolumeType"]) == ("gp3", "gp2")
    assert ec2.describe_volumes_modifications(VolumeIds=[volume_id])["VolumesModifications"][0][
        "ModificationState"
    ] == ("completed")
    assert refused(ec2.modify_volume, VolumeId=volume_id, Size=5)[0] == "InvalidParameterValue"

    snapshot = ec2.create_snapshot(VolumeId=volume_id, Description="before")
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot["SnapshotId"]])
    copy = ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=snapshot["SnapshotId"])
    mine = {s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert mine == {snapshot["SnapshotId"], copy["SnapshotId"]}
    restored = ec2.create_volume(AvailabilityZone="us-east-1b", SnapshotId=snapshot["SnapshotId"])
    assert (restored["Size"], restored["SnapshotId"]) == (10, snapshot["SnapshotId"])
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot["SnapshotId"],
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=["111122223333"],
    )
    permissions = ec2.describe_snapshot_attribute(
        SnapshotId=snapshot["SnapshotId"], Attribute="createVolumePermission"
    )["CreateVolumePermissions"]
    assert permissions == [{"UserId": "111122223333"}]

    for doomed in (volume_id, restored["VolumeId"]):
        ec2.delete_volume(VolumeId=doomed)
    for snapshot_id in mine:
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert refused(ec2.delete_volume, VolumeId=volume_id) == (
        "InvalidVolume.NotFound",
        f"The volume '{volume_id}' does not exist.",
    )
    assert refused(ec2.create_volume, AvailabilityZone="us-east-1a") == (
        "MissingParameter",
        "The request must contain the parameter size/snapshot",
    )
    assert refused(ec2.create_volume, AvailabilityZone="mars-1a", Size=1)[0] == "InvalidZone.NotFound"
    assert refused(ec2.attach_volume, VolumeId=volume_id, InstanceId="i-0", Device="/dev/sdf")[0] == (
        "InvalidVolume.NotFound"
    )


def test_launch_templates(ec2: Any, ami: str) -> None:
    name = unique("template")
    data = {
        "ImageId": ami,
        "InstanceType": "t2.micro",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]}],
    }
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    template_id = made["LaunchTemplateId"]
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1)
    second = ec2.create_launch_template_version(
        LaunchTemplateId=template_id,
        SourceVersion="1",
        VersionDescription="larger",
        LaunchTemplateData={"InstanceType": "t2.small"},
    )["LaunchTemplateVersion"]
    assert (second["VersionNumber"], second["LaunchTemplateData"]["ImageId"]) == (2, ami)
    versions = ec2.describe_launch_template_versions(
        LaunchTemplateName=name, Versions=["$Latest", "$Default"]
    )["LaunchTemplateVersions"]
    assert {v["VersionNumber"]: v["DefaultVersion"] for v in versions} == {1: True, 2: False}
    ec2.modify_launch_template(LaunchTemplateId=template_id, DefaultVersion="2")
    dry = {"MinCount": 1, "MaxCount": 1, "DryRun": True}
    for version in ("$Default", "$Latest", "1"):
        launch = {"LaunchTemplateId": template_id, "Version": version}
        assert refused(ec2.run_instances, LaunchTemplate=launch, **dry)[0] == "DryRunOperation"
    assert refused(ec2.run_instances, LaunchTemplate={**launch, "Version": "9"}, **dry)[0] == (
        "InvalidLaunchTemplateId.VersionNotFound"
    )
    gone = ec2.delete_launch_template_versions(LaunchTemplateId=template_id, Versions=["1", "2"])
    assert [v["VersionNumber"] for v in gone["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    assert len(gone["UnsuccessfullyDeletedLaunchTemplateVersions"]) == 1
    assert refused(ec2.create_launch_template, LaunchTemplateName=name, LaunchTemplateData=data)[0] == (
        "InvalidLaunchTemplateName.AlreadyExistsException"
    )
    ec2.delete_launch_template(LaunchTemplateId=template_id)
    assert refused(ec2.describe_launch_templates, LaunchTemplateNames=[name])[0] == (
        "InvalidLaunchTemplateName.NotFoundException"
    )


def test_placement_groups(ec2: Any) -> None:
    name = unique("group")
    made = ec2.create_placement_group(GroupName=name, Strategy="partition", PartitionCount=3)[
        "PlacementGroup"
    ]
    assert made["PartitionCount"] == 3
    assert made["GroupArn"].endswith(f":placement-group/{name}")
    assert refused(ec2.create_placement_group, GroupName=name, Strategy="spread")[0] == (
        "InvalidPlacementGroup.Duplicate"
    )
    shown = ec2.describe_placement_groups(Filters=[{"Name": "strategy", "Values": ["partition"]}])
    assert [g["GroupName"] for g in shown["PlacementGroups"]] == [name]
    ec2.delete_placement_group(GroupName=name)
    assert refused(ec2.describe_placement_groups, GroupNames=[name])[0] == "InvalidPlacementGroup.Unknown"


def test_spot_prices_and_requests(ec2: Any, ami: str) -> None:
    now = dt.datetime.now(dt.UTC)
    history = ec2.describe_spot_price_history(
        InstanceTypes=["t3.micro"],
        AvailabilityZone="us-east-1a",
        ProductDescriptions=["Linux/UNIX"],
        StartTime=now - dt.timedelta(days=1),
    )["SpotPriceHistory"]
    assert len(history) >= 4
    assert all(0 < float(entry["SpotPrice"]) < 0.0104 for entry in history)
    assert history == sorted(history, key=lambda entry: entry["Timestamp"], reverse=True)

    specification = {"ImageId": ami, "InstanceType": "t3.micro"}
    low = ec2.request_spot_instances(SpotPrice="0.0001", LaunchSpecification=specification)
    request = low["SpotInstanceRequests"][0]
    assert (request["State"], request["Status"]["Code"]) == ("open", "price-too-low")
    request_id = request["SpotInstanceRequestId"]
    cancelled = ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert cancelled["CancelledSpotInstanceRequests"][0]["State"] == "cancelled"
    shown = ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])["SpotInstanceRequests"][
        0
    ]
    assert shown["Status"]["Code"] == "canceled-before-fulfillment"
    assert refused(
        ec2.run_instances,
        ImageId=ami,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.0001"}},
        DryRun=True,
    )[0] == ("SpotMaxPriceTooLow")


def test_tags_on_everything(ec2: Any) -> None:
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    key = ec2.create_key_pair(KeyName=unique("key"))["KeyPairId"]
    mark = unique("mark")
    ec2.create_tags(Resources=[volume, key], Tags=[{"Key": mark, "Value": "1"}, {"Key": "x", "Value": ""}])
    rows = ec2.describe_tags(Filters=[{"Name": "key", "Values": [mark]}])["Tags"]
    assert {(r["ResourceId"], r["ResourceType"], r["Value"]) for r in rows} == {
        (volume, "volume", "1"),
        (key, "key-pair", "1"),
    }
    ec2.delete_tags(Resources=[volume], Tags=[{"Key": mark, "Value": "other"}])
    assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": [mark]}])["Tags"]) == 2
    ec2.delete_tags(Resources=[volume], Tags=[{"Key": mark}])
    assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": [mark]}])["Tags"]) == 1
    ec2.delete_tags(Resources=[volume])
    assert "Tags" not in ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
    assert refused(ec2.create_tags, Resources=["vol-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])[
        0
    ] == ("InvalidVolume.NotFound")
    assert (
        refused(ec2.create_tags, Resources=["nonsense"], Tags=[{"Key": "a", "Value": "b"}])[0] == "InvalidID"
    )
    assert refused(ec2.create_tags, Resources=[volume], Tags=[{"Key": "aws:x", "Value": "b"}])[0] == (
        "InvalidParameterValue"
    )
    ec2.delete_volume(VolumeId=volume)


def test_accounts_and_regions_are_apart(server: Any, renter: Account, ec2: Any) -> None:
    name = unique("key")
    ec2.create_key_pair(KeyName=name)
    elsewhere = renter.client("ec2", "eu-west-1")
    assert refused(elsewhere.describe_key_pairs, KeyNames=[name])[0] == "InvalidKeyPair.NotFound"
    stranger = server.account_factory().client("ec2")
    assert refused(stranger.describe_key_pairs, KeyNames=[name])[0] == "InvalidKeyPair.NotFound"


def test_instance_connect_refuses(renter: Account) -> None:
    connect = renter.client("ec2-instance-connect")
    assert refused(
        connect.send_ssh_public_key,
        InstanceId="i-00000000000000000",
        InstanceOSUser="ec2-user",
        SSHPublicKey="ssh-ed25519 " + "A" * 300,
    )[0] == ("EC2InstanceNotFoundException")


def test_cli(renter: Account) -> None:
    types = renter.aws_json(
        "ec2", "describe-instance-types", "--filters", "Name=free-tier-eligible,Values=true",
        "--query", "InstanceTypes[].InstanceType",
    )  # fmt: skip
    assert "t2.micro" in types
    key = renter.aws(
        "ec2", "create-key-pair", "--key-name", "cli", "--query", "KeyMaterial", "--output", "text"
    )
    assert key.stdout.startswith("-----BEGIN RSA PRIVATE KEY-----")
    dry = renter.aws("ec2", "create-key-pair", "--key-name", "dry", "--dry-run", check=False)
    assert "DryRunOperation" in dry.stderr
