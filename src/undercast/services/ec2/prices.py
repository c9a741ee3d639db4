"""What an instance costs: On-Demand prices of us-east-1 as published, Spot prices derived from them.

Nobody pays here. The prices order the types as AWS does and give Spot requests something to bid against.
https://aws.amazon.com/ec2/pricing/on-demand/
"""

from __future__ import annotations

import datetime as dt
import hashlib

from undercast.services.ec2.catalogue import InstanceType

# US dollars per vCPU and hour (Linux, on demand), by family.
_PER_VCPU = {
    "a1": 0.0255, "c3": 0.0525, "c4": 0.05, "c5": 0.0425, "c5a": 0.0385, "c5ad": 0.043, "c5d": 0.048,
    "c5n": 0.054, "c6a": 0.03825, "c6g": 0.034, "c6gd": 0.0384, "c6gn": 0.0432, "c6i": 0.0425,
    "c6id": 0.0504, "c6in": 0.0567, "c7a": 0.05132, "c7g": 0.03625, "c7gd": 0.04536, "c7gn": 0.0624,
    "c7i": 0.044625, "c7i-flex": 0.042395, "c8g": 0.03988, "g4dn": 0.1315, "g5": 0.2515, "g6": 0.2012,
    "i3": 0.078, "i4i": 0.0858, "m1": 0.044, "m3": 0.067, "m4": 0.05, "m5": 0.048, "m5a": 0.043,
    "m5ad": 0.0515, "m5d": 0.0565, "m5dn": 0.068, "m5n": 0.0595, "m5zn": 0.0826, "m6a": 0.0432,
    "m6g": 0.0385, "m6gd": 0.0452, "m6i": 0.048, "m6id": 0.05933, "m7a": 0.05796, "m7g": 0.0408,
    "m7gd": 0.0534, "m7i": 0.0504, "m7i-flex": 0.04788, "m8g": 0.04488, "p3dn": 0.3251, "p4d": 0.3414,
    "p5": 0.512, "r3": 0.083, "r4": 0.0665, "r5": 0.063, "r5a": 0.0565, "r5ad": 0.0655, "r5b": 0.0745,
    "r5d": 0.072, "r5n": 0.0745, "r6a": 0.0567, "r6g": 0.0504, "r6i": 0.063, "r7a": 0.07608,
    "r7g": 0.05355, "r7i": 0.06615, "r8g": 0.05892, "x1": 0.1042, "x1e": 0.2084, "z1d": 0.093,
}  # fmt: skip

# Burstable families are priced by their memory: US dollars per GiB and hour.
_PER_GIB = {"t2": 0.0116, "t3": 0.0104, "t3a": 0.0094, "t4g": 0.0084}

_SPOT_SHARE = 0.38  # of the On-Demand price, on average
_SPOT_SWING = 0.06


def on_demand(kind: InstanceType) -> float:
    """US dollars per hour. Families without a published figure here are estimated from their size."""
    gib = kind.memory_mib / 1024
    if kind.family in _PER_GIB:
        return round(_PER_GIB[kind.family] * gib, 4)
    if kind.family in _PER_VCPU:
        return round(_PER_VCPU[kind.family] * kind.vcpus, 4)
    return round(0.034 * kind.vcpus + 0.00375 * gib + 0.9 * kind.gpus, 4)


def spot(kind: InstanceType, zone: str, when: dt.datetime) -> float:
    """The Spot price in a zone: it moves a little every six hours, the same way for everybody."""
    seed = f"{kind.name} {zone} {epoch(when).isoformat()}"
    swing = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32 - 0.5
    return round(on_demand(kind) * (_SPOT_SHARE + _SPOT_SWING * swing), 6)


def epoch(when: dt.datetime) -> dt.datetime:
    """When the price in force at that time began."""
    return when.replace(hour=when.hour // 6 * 6, minute=0, second=0, microsecond=0)
