"""CloudWatch metrics over HTTP."""

from __future__ import annotations

import datetime as dt

import pytest
from botocore.exceptions import ClientError

from support import Account

DIMENSIONS = [{"Name": "Host", "Value": "a"}]


def window() -> dict[str, dt.datetime]:
    now = dt.datetime.now(dt.UTC)
    return {"StartTime": now - dt.timedelta(hours=1), "EndTime": now + dt.timedelta(minutes=2)}


def test_what_is_put_is_summed_up(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    for values in ([1.0, 2.0], [3.0] * 98):
        cloudwatch.put_metric_data(
            Namespace="App",
            MetricData=[
                {"MetricName": "Latency", "Dimensions": DIMENSIONS, "Values": values, "Unit": "Milliseconds"}
            ],
        )
    points = cloudwatch.get_metric_statistics(
        Namespace="App",
        MetricName="Latency",
        Dimensions=DIMENSIONS,
        Period=3600,
        Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"],
        ExtendedStatistics=["p50"],
        **window(),
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in points) == 100
    assert sum(point["Sum"] for point in points) == 297
    assert max(point["Maximum"] for point in points) == 3
    assert points[-1]["Unit"] == "Milliseconds"
    assert points[-1]["ExtendedStatistics"]["p50"] == pytest.approx(3, rel=0.05)
    query = {
        "Id": "m1",
        "MetricStat": {
            "Metric": {"Namespace": "App", "MetricName": "Latency", "Dimensions": DIMENSIONS},
            "Period": 60,
            "Stat": "Sum",
        },
    }
    series = cloudwatch.get_metric_data(MetricDataQueries=[query], **window())["MetricDataResults"][0]
    assert sum(series["Values"]) == 297 and series["StatusCode"] == "Complete"
    assert series["Timestamps"] == sorted(series["Timestamps"], reverse=True)
    listed = cloudwatch.list_metrics(Namespace="App")["Metrics"]
    assert listed == [{"Namespace": "App", "MetricName": "Latency", "Dimensions": DIMENSIONS}]
    assert cloudwatch.list_metrics(Dimensions=[{"Name": "Host", "Value": "b"}])["Metrics"] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Period": 30}, "InvalidParameterValue"),
        ({"Statistics": None}, "InvalidParameterCombination"),
        ({"ExtendedStatistics": ["q9"]}, "InvalidParameterValue"),
        ({"EndTime": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "InvalidParameterValue"),
        ({"StartTime": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "InvalidParameterCombination"),
    ],
)
def test_bad_requests_are_named(account: Account, change: dict[str, object], code: str) -> None:
    asked = {"Namespace": "App", "MetricName": "X", "Period": 60, "Statistics": ["Sum"], **window(), **change}
    asked = {name: value for name, value in asked.items() if value is not None}
    with pytest.raises(ClientError) as error:
        account.client("cloudwatch").get_metric_statistics(**asked)
    assert error.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e200])
def test_what_is_no_number_is_refused(account: Account, number: float) -> None:
    for datum in ({"Value": number}, {"Values": [1.0, number]}):
        with pytest.raises(ClientError) as error:
            account.client("cloudwatch").put_metric_data(
                Namespace="App", MetricData=[{"MetricName": "x", **datum}]
            )
        assert error.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_the_aws_command_reads_metrics(account: Account) -> None:
    account.aws("cloudwatch", "put-metric-data", "--namespace", "Cli", "--metric-name", "n", "--value", "5")
    assert (
        account.aws_json("cloudwatch", "list-metrics", "--namespace", "Cli")["Metrics"][0]["MetricName"]
        == "n"
    )
    with pytest.raises(ClientError) as error:
        account.client("cloudwatch").put_metric_data(
            Namespace="AWS/Lambda", MetricData=[{"MetricName": "x", "Value": 1}]
        )
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
