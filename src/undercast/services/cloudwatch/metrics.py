"""Metrics: put, list, statistics."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from sqlalchemy import select

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.cloudwatch.recorder import MetricRecorder, Minute, canonical, summary_of
from undercast.services.cloudwatch.statistics import Summary, percentile_of
from undercast.services.pagination import BadToken, page
from undercast.store.store import Store
from undercast.store.tables.metrics import MetricMinute

_LARGEST = 2.0**360  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
_DIMENSIONS = 30  # AWS's most per metric
_POINTS = 1440  # most datapoints of GetMetricStatistics
_LISTED = 500
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


class Metrics:
    """The operations on metrics. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/"""

    def __init__(self, store: Store, recorder: MetricRecorder) -> None:
        self._store = store
        self._recorder = recorder

    def put_metric_data(self, call: Call, params: Params) -> Result:
        namespace = params["Namespace"]
        if namespace.startswith("AWS/"):
            raise AwsError(
                "InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid: it is reserved."
            )
        summaries = [
            (_minute(call, namespace, datum), _summarised(datum)) for datum in params.get("MetricData", [])
        ]
        for key, summary in summaries:
            self._recorder.merge(key, summary)
        self._recorder.flush()
        return {}

    def list_metrics(self, call: Call, params: Params) -> Result:
        self._recorder.flush()
        query = (
            select(MetricMinute.namespace, MetricMinute.name, MetricMinute.dimensions)
            .where(MetricMinute.account == call.account, MetricMinute.region == call.region)
            .distinct()
        )
        if "Namespace" in params:
            query = query.where(MetricMinute.namespace == params["Namespace"])
        if "MetricName" in params:
            query = query.where(MetricMinute.name == params["MetricName"])
        wanted = [(one["Name"], one.get("Value")) for one in params.get("Dimensions", [])]
        with self._store.read() as session:
            rows = sorted(
                (tuple(row) for row in session.execute(query) if _has(orjson.loads(row[2]), wanted)),
            )
        try:
            shown, token = page(rows, "\x1f".join, params.get("NextToken"), _LISTED)
        except BadToken as error:
            raise AwsError("InvalidParameterValue", "Invalid nextToken") from error
        result: Result = {
            "Metrics": [
                {"Namespace": namespace, "MetricName": name, "Dimensions": _described(dimensions)}
                for namespace, name, dimensions in shown
            ]
        }
        if token is not None:
            result["NextToken"] = token
        return result

    def get_metric_statistics(self, call: Call, params: Params) -> Result:
        names = [*params.get("Statistics", []), *params.get("ExtendedStatistics", [])]
        if not names:
            raise AwsError(
                "InvalidParameterCombination",
                "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
            )
        _check_statistics(names)
        start, end, period = params["StartTime"], params["EndTime"], params["Period"]
        _check_times(start, end, period)
        if (end - start).total_seconds() / period > _POINTS:
            raise AwsError(
                "InvalidParameterCombination",
                f"You have requested up to {int((end - start).total_seconds() // period)} datapoints, which "
                f"exceeds the limit of {_POINTS}. You may reduce the datapoints requested by increasing "
                "Period, or decreasing the time range.",
            )
        self._recorder.flush()
        points: list[Result] = []
        for at, summary in self._periods(call, params, start, end, period):
            point: Result = {"Timestamp": at, "Unit": summary.unit}
            extended: dict[str, float] = {}
            for name in names:
                (point if name in _STATISTICS else extended)[name] = summary.statistic(name)
            if extended:
                point["ExtendedStatistics"] = extended
            points.append(point)
        return {"Label": params["MetricName"], "Datapoints": points}

    def get_metric_data(self, call: Call, params: Params) -> Result:
        self._recorder.flush()
        newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        for query in params["MetricDataQueries"]:
            if "MetricStat" not in query:
                raise AwsError(
                    "ValidationError",
                    f"MetricDataQueries member {query['Id']}: metric math and Metrics Insights expressions "
                    "are not supported; ask for a MetricStat.",
                )
            if query.get("ReturnData", True):
                results.append(self._series(call, query, params, newest_first=newest_first))
        return {"MetricDataResults": results, "Messages": []}

    def _series(self, call: Call, query: Params, params: Params, *, newest_first: bool) -> Result:
        wanted = query["MetricStat"]
        _check_statistics([wanted["Stat"]])
        _check_times(params["StartTime"], params["EndTime"], wanted["Period"])
        points = [
            (at, summary.statistic(wanted["Stat"]))
            for at, summary in self._periods(
                call, wanted["Metric"], params["StartTime"], params["EndTime"], wanted["Period"]
            )
        ]
        if newest_first:
            points.reverse()
        return {
            "Id": query["Id"],
            "Label": query.get("Label", wanted["Metric"].get("MetricName", "")),
            "Timestamps": [at for at, _ in points],
            "Values": [value for _, value in points],
            "StatusCode": "Complete",
        }

    def _periods(
        self, call: Call, metric: Params, start: dt.datetime, end: dt.datetime, period: int
    ) -> Iterator[tuple[dt.datetime, Summary]]:
        """The metric's periods with values in them, oldest first. A period begins at a multiple of itself."""
        first = int(start.timestamp()) // period * period
        query = (
            select(MetricMinute)
            .where(
                MetricMinute.account == call.account,
                MetricMinute.region == call.region,
                MetricMinute.namespace == metric["Namespace"],
                MetricMinute.name == metric["MetricName"],
                MetricMinute.dimensions == canonical(_pairs(metric)),
                MetricMinute.minute >= first // 60,
                MetricMinute.minute < -(-int(end.timestamp()) // 60),
            )
            .order_by(MetricMinute.minute)
        )
        with self._store.read() as session:
            rows = session.scalars(query).all()
        periods: dict[int, Summary] = {}
        for row in rows:
            at = row.minute * 60 // period * period
            summary = periods.setdefault(at, Summary(row.unit))
            summary.merge(summary_of(row))
        for at, summary in periods.items():
            yield dt.datetime.fromtimestamp(at, dt.UTC), summary


def _pairs(metric: Params) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((one["Name"], one["Value"]) for one in metric.get("Dimensions", [])))


def _described(dimensions: str) -> list[Result]:
    return [{"Name": name, "Value": value} for name, value in orjson.loads(dimensions)]


def _has(dimensions: Iterable[tuple[str, str]], wanted: Iterable[tuple[str, str | None]]) -> bool:
    known = dict(dimensions)
    return all(name in known and value in (None, known[name]) for name, value in wanted)


def _minute(call: Call, namespace: str, datum: Params) -> Minute:
    if len(datum.get("Dimensions", [])) > _DIMENSIONS:
        raise AwsError("InvalidParameterValue", f"No more than {_DIMENSIONS} dimensions are allowed.")
    at: dt.datetime = datum.get("Timestamp", call.now)
    if not dt.timedelta(hours=-2) <= call.now - at <= dt.timedelta(days=14):
        raise AwsError(
            "InvalidParameterValue",
            "The parameter MetricData.member.1.Timestamp must specify a time within the past two weeks and "
            "no more than two hours in the future.",
        )
    minute = int(at.timestamp() // 60)
    return Minute(call.account, call.region, namespace, datum["MetricName"], _pairs(datum), minute)


def _check_numbers(datum: Params) -> None:
    """Refuse what is no number one can calculate with, as AWS does."""
    statistics = datum.get("StatisticValues") or {}
    for number in (
        *(datum[name] for name in ("Value",) if name in datum),
        *datum.get("Values", ()),
        *datum.get("Counts", ()),
        *statistics.values(),
    ):
        if not math.isfinite(number) or abs(number) > _LARGEST:
            raise AwsError(
                "InvalidParameterValue",
                f"The value {number} for parameter MetricData.member.1.Value is invalid: special values and "
                "values beyond 2^360 are not supported.",
            )


def _summarised(datum: Params) -> Summary:
    _check_numbers(datum)
    summary = Summary(datum.get("Unit", "None"))
    if (given := datum.get("StatisticValues")) is not None:
        _merge_statistics(summary, given)
    elif "Values" in datum:
        values: list[float] = datum["Values"]
        counts: list[float] = datum.get("Counts", [1.0] * len(values))
        if len(values) != len(counts):
            raise AwsError(
                "InvalidParameterValue", "The parameters Values and Counts must have the same length."
            )
        for value, count in zip(values, counts, strict=True):
            summary.add(value, count)
    elif "Value" in datum:
        summary.add(datum["Value"])
    else:
        raise AwsError(
            "MissingParameter", "At least one of Value, Values and StatisticValues must be specified."
        )
    return summary


def _merge_statistics(summary: Summary, given: dict[str, Any]) -> None:
    average = given["Sum"] / given["SampleCount"] if given["SampleCount"] else 0.0
    summary.add(average, given["SampleCount"])
    summary.minimum, summary.maximum, summary.sum = given["Minimum"], given["Maximum"], given["Sum"]


def _check_statistics(names: Iterable[str]) -> None:
    for name in names:
        try:
            if name not in _STATISTICS:
                percentile_of(name)
        except KeyError as error:
            raise AwsError(
                "InvalidParameterValue", f"The value {name} for parameter Stat is not supported."
            ) from error


def _check_times(start: dt.datetime, end: dt.datetime, period: int) -> None:
    if start >= end:
        raise AwsError(
            "InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime."
        )
    if period < 60 or period % 60:
        raise AwsError(
            "InvalidParameterValue",
            "The parameter Period must be a multiple of 60: metrics are kept by the minute.",
        )
