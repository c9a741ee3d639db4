"""Spot Instances: requests, their fulfilment, and interruption when their room is needed.

A request is matched with instances by `settle`, which the reconciler calls whenever something changed.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-request-status.html
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params
from undercast.services.ec2 import ids, prices, tags
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.catalogue import instance_type
from undercast.services.ec2.estate import Change, Key, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

KIND = "spot-instances-request"
NOTICE = dt.timedelta(minutes=2)
MESSAGES = {
    "pending-evaluation": "Your Spot request has been submitted for review, and is pending evaluation.",
    "fulfilled": "Your spot request is fulfilled.",
    "capacity-not-available": "There is no Spot capacity available that matches your request.",
    "price-too-low": "Your Spot request price is lower than the current Spot price.",
    "marked-for-termination": "The Spot Instance is marked for termination.",
    "instance-terminated-by-user": "Your Spot Instance was terminated by user.",
    "instance-terminated-no-capacity": "Your Spot Instance was terminated: no Spot capacity was available.",
    "instance-stopped-by-user": "Your Spot Instance was stopped by user.",
    "instance-stopped-no-capacity": "Your Spot Instance was stopped: no Spot capacity was available.",
    "request-canceled-and-instance-running": (
        "Your Spot request is canceled, but your Spot Instance is still running."
    ),
    "canceled-before-fulfillment": "Your Spot request is canceled before it was fulfilled.",
    "schedule-expired": "Your Spot request has expired.",
    "bad-parameters": "Your Spot request cannot be fulfilled: {}",
}


def status(code: str, now: dt.datetime, detail: str = "") -> dict[str, Any]:
    """The `Status` member."""
    return {"Code": code, "Message": MESSAGES[code].format(detail), "UpdateTime": now}


class Spot:
    """Fulfils requests and interrupts instances. Its public operations are in `spot_requests`."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def new_request(self, call: Call, options: dict[str, Any], wanted_tags: list[tags.Tag]) -> Record:
        """A request nobody has looked at yet. `options` as in RunInstances' SpotOptions."""
        kind = options.get("SpotInstanceType") or "one-time"
        behaviour = options.get("InstanceInterruptionBehavior") or "terminate"
        if behaviour != "terminate" and kind != "persistent":
            raise AwsError(
                "InvalidParameterCombination",
                f"{behaviour} is only supported for persistent Spot Instance requests.",
            )
        record: Record = {
            "SpotInstanceRequestId": ids.new_id("sir"),
            "State": "open",
            "Status": status("pending-evaluation", call.now),
            "Type": kind,
            "InstanceInterruptionBehavior": behaviour,
            "CreateTime": call.now,
            "ProductDescription": "Linux/UNIX",
            "SpotPrice": _price(options.get("MaxPrice")),
            "Tags": wanted_tags,
            "_OwnerId": call.account,
        }
        if options.get("ValidUntil"):
            record["ValidUntil"] = options["ValidUntil"]
        return record

    def for_launch(self, change: Change, call: Call, asked: Params, instance: Record) -> Record:
        """The instance as the Spot Instance of a request made with it, for RunInstances."""
        market = asked["InstanceMarketOptions"]
        if market.get("MarketType") != "spot":
            raise AwsError(
                "UnsupportedOperation",
                f"Market type {market.get('MarketType')} is not supported by Undercast.",
            )
        options = market.get("SpotOptions") or {}
        if options.get("BlockDurationMinutes"):
            raise AwsError("UnsupportedOperation", "Spot Instances with a defined duration no longer exist.")
        wanted = tags.from_specifications(asked, KIND, "instance", "volume", "network-interface")
        record = self.new_request(call, options, wanted)
        kind, zone = instance_type(instance["InstanceType"]), instance["Placement"]["AvailabilityZone"]
        current = prices.spot(kind, zone, call.now)
        if options.get("MaxPrice"):
            if float(record["SpotPrice"]) < current:
                raise AwsError(
                    "SpotMaxPriceTooLow",
                    f"Your Spot request price of {float(record['SpotPrice']):.4f} is lower than the minimum "
                    f"required Spot request fulfillment price of {current:.4f}.",
                )
        else:
            record["SpotPrice"] = f"{prices.on_demand(kind):.6f}"
        launched = self._active(record, instance, call.now)
        launched["LaunchSpecification"] = _specification(instance)
        launched["_Launch"] = {
            name: asked[name]
            for name in asked
            if name not in ("InstanceMarketOptions", "ClientToken", "_Template")
        }
        change.put(KIND, record["SpotInstanceRequestId"], launched)
        return as_spot(instance, record)

    def fulfil(self, change: Change, call: Call, request: Record) -> Record:
        """Launch what an open request asks for, or say in its status why not. Returns the request."""
        asked = {**request["_Launch"], "MinCount": 1, "MaxCount": 1}
        kind = instance_type(asked.get("InstanceType") or "m1.small")
        zone = (asked.get("Placement") or {}).get("AvailabilityZone") or f"{call.region}a"
        price = request.get("SpotPrice")
        if price and float(price) < prices.spot(kind, zone, call.now):
            return {**request, "Status": status("price-too-low", call.now)}
        try:
            more = as_spot({}, request)
            instance = self._ec2.launch.launch(change, call, asked, **more)[0]
        except AwsError as error:
            if error.code == "InsufficientInstanceCapacity":
                return {**request, "Status": status("capacity-not-available", call.now)}
            if request["Status"]["Code"] == "pending-evaluation":
                raise  # the caller is still there to be told
            detail = status("bad-parameters", call.now, error.message)
            return {**request, "State": "failed", "Status": detail}
        return self._active(request, instance, call.now)

    def _active(self, request: Record, instance: Record, now: dt.datetime) -> Record:
        return {
            **request,
            "State": "active",
            "Status": status("fulfilled", now),
            "InstanceId": instance["InstanceId"],
            "LaunchedAvailabilityZone": instance["Placement"]["AvailabilityZone"],
        }

    def interrupt(self, change: Change, instance: Record) -> None:
        """Give a Spot Instance its two minutes' notice."""
        where = self._where(instance)
        now = dt.datetime.now(dt.UTC)
        request = change.get(
            KIND, instance["SpotInstanceRequestId"], account=where.account, region=where.region
        )
        behaviour = request["InstanceInterruptionBehavior"] if request else "terminate"
        notice = {"Action": behaviour, "Time": now + NOTICE}
        change.put(
            "instance",
            where.id,
            {**instance, "_Interruption": notice},
            account=where.account,
            region=where.region,
        )
        if request:
            marked = {**request, "Status": status("marked-for-termination", now)}
            change.put(
                KIND, request["SpotInstanceRequestId"], marked, account=where.account, region=where.region
            )

    def _where(self, instance: Record) -> Key:
        for key, _ in self._estate.everywhere("instance"):
            if key.id == instance["InstanceId"]:
                return key
        raise KeyError(instance["InstanceId"])

    def settle(self) -> bool:
        """Bring requests and instances together. Returns whether something waits for time to pass."""
        now = dt.datetime.now(dt.UTC)
        waiting = False
        for key, instance in self._estate.everywhere("instance"):
            if notice := instance.get("_Interruption"):
                waiting = True
                if notice["Time"] <= now:
                    self._carry_out(key)
        for key, request in self._estate.everywhere(KIND):
            if request["State"] == "open":
                waiting = True
                self._retry(key, now)
            elif request["State"] in ("active", "disabled") or request.get("_Watched"):
                self._follow(key, request, now)
        return waiting

    def _carry_out(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            instance = change.get("instance", key.id)
            if instance is None or not (notice := instance.get("_Interruption")):
                return
            instance = {name: value for name, value in instance.items() if name != "_Interruption"}
            instance["_Interrupted"] = True
            if states.name(instance) not in ("pending", "running"):
                change.put("instance", key.id, instance)
            elif notice["Action"] == "terminate":
                self._ec2.power.terminating(change, instance, None, reason=states.BY_SPOT)
            else:
                hibernate = notice["Action"] == "hibernate"
                self._ec2.power.stopping(change, instance, None, reason=states.BY_SPOT, hibernate=hibernate)

    def _retry(self, key: Key, now: dt.datetime) -> None:
        with self._estate.change(key.account, key.region) as change:
            request = change.get(KIND, key.id)
            if request is None or request["State"] != "open":
                return
            if (stopped := self._interrupted_instance(change, request)) is not None:
                self._start_again(change, request, stopped, now)
                return
            if request.get("ValidUntil") and request["ValidUntil"] <= now:
                after = {**request, "State": "closed", "Status": status("schedule-expired", now)}
            else:
                call = internal_call(key, request, now)
                evaluated = {**request, "Status": {**request["Status"], "Code": "pending-fulfillment"}}
                after = self.fulfil(change, call, evaluated)
            if after["Status"]["Code"] != request["Status"]["Code"]:
                change.put(KIND, key.id, after)

    @staticmethod
    def _interrupted_instance(change: Change, request: Record) -> Record | None:
        """The instance that was stopped for want of room and waits for it."""
        instance = change.get("instance", request.get("InstanceId") or "")
        if instance is None or states.name(instance) not in ("stopping", "stopped"):
            return None
        return instance if instance.get("_Interrupted") else None

    def _start_again(self, change: Change, request: Record, instance: Record, now: dt.datetime) -> None:
        if states.name(instance) != "stopped":
            return
        try:
            self._ec2.capacity.check([instance])
        except AwsError:
            return
        self._ec2.power.starting(change, {**instance, "_Interrupted": False}, now)
        active = {**request, "State": "active", "Status": status("fulfilled", now)}
        change.put(KIND, request["SpotInstanceRequestId"], active)

    def _follow(self, key: Key, request: Record, now: dt.datetime) -> None:
        """The instance of a fulfilled request has come to an end, or been stopped."""
        instance = self._estate.get(key.account, key.region, "instance", request["InstanceId"])
        state = states.name(instance) if instance else "terminated"
        forced = bool(instance and instance.get("_Interrupted"))
        by = "no-capacity" if forced else "by-user"
        after = request
        if state in ("terminated", "shutting-down"):
            after = {**request, "State": "closed", "Status": status(f"instance-terminated-{by}", now)}
            if request["Type"] == "persistent":
                after["State"] = "open"
        elif state == "stopped" and request["State"] == "active":
            # A request whose instance its user stopped is disabled; an interrupted one waits for room.
            waits = "open" if forced else "disabled"
            after = {**request, "State": waits, "Status": status(f"instance-stopped-{by}", now)}
        elif state == "running" and request["State"] == "disabled":
            after = {**request, "State": "active", "Status": status("fulfilled", now)}
        if after is not request:
            with self._estate.change(key.account, key.region) as change:
                if change.get(KIND, key.id) is request:
                    change.put(KIND, key.id, after)


def as_spot(instance: Record, request: Record) -> Record:
    """The instance with what marks it as the Spot Instance of a request."""
    return {
        **instance,
        "InstanceLifecycle": "spot",
        "SpotInstanceRequestId": request["SpotInstanceRequestId"],
        "_SpotType": request["Type"],
    }


def internal_call(key: Key, request: Record, now: dt.datetime) -> Call:
    """The call under which a request is fulfilled once its caller has gone."""
    return Call(
        service="ec2",
        operation="RequestSpotInstances",
        account=key.account,
        region=key.region,
        principal_arn=f"arn:aws:iam::{key.account}:root",
        principal_id=key.account,
        access_key_id="",
        request_id=request["SpotInstanceRequestId"],
        source_ip="127.0.0.1",
        url="",
        headers={},
        now=now,
    )


def _price(text: str | None) -> str:
    if not text:
        return ""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value <= 0:
        raise AwsError(
            "InvalidParameterValue",
            f'Value ({text}) for parameter price is invalid. "{text}" is an invalid spot instance price',
        )
    return f"{value:.6f}"


def _specification(instance: Record) -> dict[str, Any]:
    shown = {
        "ImageId": instance["ImageId"],
        "InstanceType": instance["InstanceType"],
        "Placement": {"AvailabilityZone": instance["Placement"]["AvailabilityZone"]},
        "Monitoring": {"Enabled": instance["Monitoring"]["State"] == "enabled"},
    }
    if instance.get("KeyName"):
        shown["KeyName"] = instance["KeyName"]
    return shown
