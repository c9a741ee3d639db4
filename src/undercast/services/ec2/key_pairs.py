"""Key pairs: made or imported; the private half is given once and never kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, ssh_keys, tags
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters({"key-pair-id": "KeyPairId", "fingerprint": "KeyFingerprint", "key-name": "KeyName"})


class KeyPairs:
    """Records of kind "key-pair", kept under their ids."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def create_key_pair(self, call: Call, params: Params) -> Result:
        key_type = _one_of(params, "KeyType", ("rsa", "ed25519"))
        key_format = _one_of(params, "KeyFormat", ("pem", "ppk"))
        wanted = tags.from_specifications(params, "key-pair")
        self._check_name(call, params)
        dry_run(params)
        made = ssh_keys.make(key_type, key_format)
        with self._estate.changing(call, params) as change:
            record = self._put(change, call, params, made.public, made.fingerprint, wanted)
        shown = {name: record[name] for name in ("KeyName", "KeyPairId", "KeyFingerprint")}
        return {**shown, "KeyMaterial": made.private, **({"Tags": wanted} if wanted else {})}

    def import_key_pair(self, call: Call, params: Params) -> Result:
        wanted = tags.from_specifications(params, "key-pair")
        self._check_name(call, params)
        try:
            public = ssh_keys.read(params["PublicKeyMaterial"])
        except ssh_keys.BadKey as error:
            raise AwsError("InvalidKey.Format", str(error)) from error
        with self._estate.changing(call, params) as change:
            record = self._put(change, call, params, public, ssh_keys.fingerprint(public), wanted)
        shown = {name: record[name] for name in ("KeyName", "KeyPairId", "KeyFingerprint")}
        return {**shown, **({"Tags": wanted} if wanted else {})}

    def delete_key_pair(self, call: Call, params: Params) -> Result:
        if not params.get("KeyName") and not params.get("KeyPairId"):
            raise AwsError("MissingParameter", "The request must contain the parameter KeyName")
        with self._estate.changing(call, params) as change:
            for record in change.all("key-pair"):
                if (
                    params.get("KeyName") == record["KeyName"]
                    or params.get("KeyPairId") == record["KeyPairId"]
                ):
                    change.delete("key-pair", record["KeyPairId"])
                    return {"Return": True, "KeyPairId": record["KeyPairId"]}
        if params.get("KeyPairId"):
            ids.check("key-pair", params["KeyPairId"])
            raise ids.not_found("key-pair", params["KeyPairId"])
        return {"Return": True}

    def describe_key_pairs(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._estate.all(call.account, call.region, "key-pair")
        if names := params.get("KeyNames"):
            known = {record["KeyName"] for record in records}
            for name in names:
                if name not in known:
                    raise _missing(name)
            records = [record for record in records if record["KeyName"] in names]
        if wanted := params.get("KeyPairIds"):
            ids.check("key-pair", *wanted)
            known = {record["KeyPairId"] for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found("key-pair", *missing)
            records = [record for record in records if record["KeyPairId"] in wanted]
        chosen = _FILTERS.select(records, params.get("Filters"))
        return {"KeyPairs": [_view(record, bool(params.get("IncludePublicKey"))) for record in chosen]}

    def public_key(self, call: Call, name: str) -> str:
        """The authorized_keys line of a pair, or AWS's error when there is none of that name."""
        for record in self._estate.all(call.account, call.region, "key-pair"):
            if record["KeyName"] == name:
                return str(record["_PublicKey"])
        raise _missing(name)

    def _check_name(self, call: Call, params: Params) -> None:
        name = params.get("KeyName") or ""
        if not name:
            raise AwsError("MissingParameter", "The request must contain the parameter KeyName")
        if len(name) > 255 or not name.isascii():
            raise AwsError(
                "InvalidParameterValue",
                "Value for parameter KeyName is invalid. Length exceeds maximum of 255.",
            )
        if any(r["KeyName"] == name for r in self._estate.all(call.account, call.region, "key-pair")):
            raise AwsError("InvalidKeyPair.Duplicate", f"The keypair '{name}' already exists.")

    def _put(
        self,
        change: Change,
        call: Call,
        params: Params,
        public: ssh_keys.PublicKey,
        fingerprint: str,
        wanted: list[tags.Tag],
    ) -> Record:
        self._check_name(call, params)  # again, now that nobody else can write
        name = params["KeyName"]
        id = ids.new_id("key")
        return change.put(
            "key-pair",
            id,
            {
                "KeyPairId": id,
                "KeyName": name,
                "KeyType": ssh_keys.kind(public),
                "KeyFingerprint": fingerprint,
                "CreateTime": call.now,
                "Tags": wanted,
                "_PublicKey": ssh_keys.openssh(public, name),
            },
        )


def _view(record: Record, with_public_key: bool) -> dict[str, Any]:
    shown = visible(record)
    return {**shown, "PublicKey": record["_PublicKey"] + "\n"} if with_public_key else shown


def _one_of(params: Params, name: str, allowed: tuple[str, ...]) -> str:
    value: str = params.get(name) or allowed[0]
    if value not in allowed:
        raise AwsError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
    return value


def _missing(name: str) -> AwsError:
    return AwsError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
