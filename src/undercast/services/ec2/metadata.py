"""What an instance may learn about itself: the data behind 169.254.169.254."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from undercast.network.metadata_model import (
    MachineMetadata,
    MetadataOptions,
    Profile,
    RoleCredentials,
    SpotNotice,
)
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.attachments import inside_name, of_instance
from undercast.services.ec2.estate import Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_CREDENTIALS_S = 6 * 3600
_RENEWED_BEFORE = dt.timedelta(minutes=30)
_ROLE_KNOWN_S = 5.0  # how long a profile's role is remembered: this runs on the event loop


class Metadata:
    """Answers the metadata service, from memory."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate
        self._credentials: dict[tuple[str, str], RoleCredentials] = {}
        self._roles: dict[tuple[str, str], tuple[str | None, float]] = {}

    def describe(self, address: str) -> MachineMetadata | None:
        """What the instance with this private address may see, or None when there is none."""
        where = self._ec2.network_interfaces.instance_at(address)
        if where is None:
            return None
        account, region, instance_id = where
        record = self._estate.get(account, region, "instance", instance_id)
        if record is None or states.name(record) == "terminated":
            return None
        options = record["MetadataOptions"]
        with_tags = options["InstanceMetadataTags"] == "enabled"
        notice = record.get("_Interruption")
        return MachineMetadata(
            instance_id=instance_id,
            account=account,
            region=region,
            availability_zone=record["Placement"]["AvailabilityZone"],
            availability_zone_id=record["Placement"]["AvailabilityZoneId"],
            image_id=record["ImageId"],
            instance_type=record["InstanceType"],
            architecture=record["Architecture"],
            reservation_id=record["_ReservationId"],
            launch_index=record["AmiLaunchIndex"],
            launched=record["LaunchTime"],
            interfaces=self._ec2.network_interfaces.metadata(account, region, instance_id),
            options=MetadataOptions(
                enabled=options["HttpEndpoint"] == "enabled",
                tokens_required=options["HttpTokens"] == "required",
                hop_limit=options["HttpPutResponseHopLimit"],
                tags=with_tags,
            ),
            public_keys={record["KeyName"]: record["_PublicKey"]} if record.get("_PublicKey") else {},
            block_devices=self._block_devices(account, region, record),
            user_data=record["_UserData"],
            profile=self._profile(account, record),
            tags={tag["Key"]: tag["Value"] for tag in record["Tags"]} if with_tags else {},
            life_cycle=record.get("InstanceLifecycle", "on-demand"),
            spot=SpotNotice(notice["Action"], notice["Time"]) if notice else None,
            placement_group=record["Placement"].get("GroupName") or None,
        )

    def _block_devices(self, account: str, region: str, record: Record) -> dict[str, str]:
        root = record["RootDeviceName"]
        shown = {"ami": inside_name(root).removeprefix("/dev/"), "root": root}
        disks = of_instance(self._estate.all(account, region, "volume"), record["InstanceId"])
        others = [attachment["Device"] for volume, attachment in disks if not volume.get("_Root")]
        for number, device in enumerate(sorted(others), 1):
            shown[f"ebs{number}"] = device.removeprefix("/dev/")
        return shown

    def _profile(self, account: str, record: Record) -> Profile | None:
        shown = record.get("IamInstanceProfile")
        if not shown:
            return None
        name = shown["Arn"].rsplit("/", 1)[-1]
        found = self._role(account, name)
        if found is None:
            return None
        instance_id = record["InstanceId"]
        return Profile(
            arn=shown["Arn"],
            id=shown["Id"],
            role=found.rsplit("/", 1)[-1],
            credentials=lambda: self._role_credentials(instance_id, found),
            attached=record["_Profile"]["Timestamp"] if "_Profile" in record else record["LaunchTime"],
        )

    def _role(self, account: str, profile: str) -> str | None:
        arn, until = self._roles.get((account, profile), (None, 0.0))
        if until < time.monotonic():
            arn = self._ec2.cloud.iam.profile_role(account, profile)
            self._roles[account, profile] = arn, time.monotonic() + _ROLE_KNOWN_S
        return arn

    def _role_credentials(self, instance_id: str, role_arn: str) -> RoleCredentials:
        """Temporary keys of the role, renewed well before the old ones end."""
        now = dt.datetime.now(dt.UTC)
        known = self._credentials.get((instance_id, role_arn))
        if known is not None and known.expires - now > _RENEWED_BEFORE:
            return known
        session = self._ec2.cloud.iam.role_session(role_arn, instance_id, _CREDENTIALS_S)
        if session.session_token is None or session.expires is None:
            raise RuntimeError("IAM issued a role session without token or end")
        made = RoleCredentials(
            access_key_id=session.access_key_id,
            secret_access_key=session.secret,
            token=session.session_token,
            issued=now,
            expires=session.expiration,
        )
        self._credentials[instance_id, role_arn] = made
        return made
