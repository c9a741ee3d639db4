"""Summaries of values that can be added up: count, sum, extremes, and a histogram for percentiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_RATIO = math.log(1.1)  # neighbouring buckets differ by 10 %, so a percentile is within 5 %


def bucket(value: float) -> str:
    """The histogram bucket of a value: its sign and the logarithm of its size."""
    if value == 0:
        return "0"
    step = math.floor(math.log(abs(value)) / _RATIO)
    return f"{'-' if value < 0 else '+'}{step}"


def middle(name: str) -> float:
    """The value in the middle of a bucket."""
    if name == "0":
        return 0.0
    size = math.exp((int(name[1:]) + 0.5) * _RATIO)
    return -size if name[0] == "-" else size


@dataclass(slots=True)
class Summary:
    """Values of one metric over some time."""

    unit: str = "None"
    count: float = 0.0
    sum: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    histogram: dict[str, float] = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        """Take a value that was seen `count` times."""
        self.count += count
        self.sum += value * count
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        name = bucket(value)
        self.histogram[name] = self.histogram.get(name, 0.0) + count

    def merge(self, other: Summary) -> None:
        """Take another summary's values."""
        self.count += other.count
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        for name, count in other.histogram.items():
            self.histogram[name] = self.histogram.get(name, 0.0) + count

    def statistic(self, name: str) -> float:
        """A statistic by CloudWatch's name: "Sum", "p99", ... Raises KeyError for an unknown one."""
        if name == "SampleCount":
            return self.count
        if name == "Sum":
            return self.sum
        if name == "Minimum":
            return self.minimum
        if name == "Maximum":
            return self.maximum
        if name == "Average":
            return self.sum / self.count
        return self._percentile(percentile_of(name))

    def _percentile(self, percent: float) -> float:
        wanted = self.count * percent / 100
        seen = 0.0
        for name in sorted(self.histogram, key=middle):
            seen += self.histogram[name]
            if seen >= wanted:
                return min(max(middle(name), self.minimum), self.maximum)
        return self.maximum


def percentile_of(name: str) -> float:
    """The percentage in "p99.9". Raises KeyError when it is no percentile."""
    try:
        percent = float(name[1:]) if name[:1] == "p" else -1.0
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise KeyError(name)
    return percent
