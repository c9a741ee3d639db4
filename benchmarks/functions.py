"""Functions through the API, as a client sees them: warm, cold, throughput, burst, memory.

Everything goes over HTTP, signed, into isolated environments. The floors of the same round are the bare loop
(see `bare_loop`), a bare ASGI hello on the same server, and a fork with the same namespaces.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bare_loop, layers
from benchmarks.cloud import HANDLER, BenchCloud, running_cloud
from benchmarks.figures import Figure, percentile, show
from benchmarks.http_client import latencies, request_bytes, signed, throughput

EVENT = b'{"nums": [1, 2, 3]}'
CONNECTIONS = 8
_WARM, _LOAD, _COLD, _BURST, _RESTORES, _PARTS = 1600, 6000, 40, 200, 20, 4
_HELD_S = 1.5  # how long each restored environment is busy, so that the next request needs one of its own
_SCIENCE = """\
import time
import numpy, pandas, sklearn.linear_model

def lambda_handler(event, context):
    total = int(numpy.sum(event["nums"]))
    time.sleep(event["held"])
    return total
"""


def measure(rounds: int = 3) -> None:
    """Run `rounds` rounds and print the table."""
    figures = _figures()
    with running_cloud() as cloud:
        cloud.create_function("warm")
        url = _http_api(cloud)
        snap_start = _science_function(cloud)
        for round_ in range(rounds):
            with _bare_loop() as port:
                _warm(cloud, url, port, figures)
            _cold(cloud, round_, figures)
            _burst(cloud, round_, figures)
            if snap_start:
                _snap_start(cloud, round_, figures)
        _first_ones(cloud, figures)
        figures["rss"].add(cloud.resident_mib())
    show("Functions through the API", figures.values())


def _figures() -> dict[str, Figure]:
    loop = "bare loop"
    return {
        "p50": Figure("warm invoke, p50", "ms", "< 1.5x", loop),
        "p99": Figure("warm invoke, p99", "ms", "", loop),
        "rate": Figure(f"invokes per second, {CONNECTIONS} connections", "/s", "> 0.7x", loop),
        "http_p50": Figure("HTTP API request, p50", "ms", "< 1.5x", loop),
        "http_rate": Figure(f"HTTP API requests per second, {CONNECTIONS} connections", "/s", "> 0.7x", loop),
        "hello": Figure("(a bare ASGI hello, per second)", "/s"),
        "cold_p50": Figure("cold start, request to response, p50", "ms", "< 10 ms"),
        "cold_p99": Figure("cold start, request to response, p99", "ms", "< 25 ms"),
        "burst": Figure(f"{_BURST} concurrent invokes from none", "s", "< 2 s"),
        "first": Figure(f"first invokes of {_BURST} functions at once", "s", "< 2 s"),
        "restore": Figure(
            "SnapStart: numpy, pandas, scikit-learn, request to response, p50", "ms", "< 15 ms"
        ),
        "pss": Figure("proportional memory of an idle environment", "MiB", "< 6 MiB"),
        "rss": Figure("server's resident memory at the end", "MiB"),
    }


def _invoke_url(cloud: BenchCloud, name: str) -> str:
    return f"{cloud.url}/2015-03-31/functions/{name}/invocations"


def signed_invoke(cloud: BenchCloud, name: str, event: bytes = EVENT) -> bytes:
    """The bytes of an Invoke request."""
    return signed("POST", _invoke_url(cloud, name), event, "lambda", cloud.region, cloud.key, cloud.secret)


def _http_api(cloud: BenchCloud) -> str:
    """An HTTP API with the tutorial's function behind it; returns a URL that needs no DNS."""
    source = """\
def lambda_handler(event, context):
    nums = [float(num) for num in event["queryStringParameters"]["nums"].split(",")]
    return {'statusCode': 200, 'body': sum(nums) / len(nums)}
"""
    arn = cloud.create_function("http", source)
    api = cloud.client("apigatewayv2").create_api(Name="bench", ProtocolType="HTTP", Target=arn)
    cloud.client("lambda").add_permission(
        FunctionName="http",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{cloud.region}:{cloud.account}:{api['ApiId']}/*",
    )
    return f"{cloud.url}/_aws/execute-api/{api['ApiId']}/mean?nums=1,2,3"


@contextmanager
def _bare_loop() -> Iterator[int]:
    """The floor's server and its runtimes, warm, for as long as it is measured beside."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_loop", str(port)], stdin=subprocess.DEVNULL
    )
    runtimes = []
    with tempfile.TemporaryDirectory(prefix="undercast-bench-") as folder:
        try:
            _wait_for(port)
            runtimes = bare_loop.start_runtimes(port, CONNECTIONS, Path(folder))
            request = request_bytes("POST", f"http://127.0.0.1:{port}/invoke", EVENT)
            asyncio.run(throughput("127.0.0.1", port, [request] * CONNECTIONS, 400))
            yield port
        finally:
            for process in (*runtimes, server):
                process.kill()
                process.wait(5)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _warm(cloud: BenchCloud, api_url: str, port: int, figures: dict[str, Figure]) -> None:
    here = "127.0.0.1"
    invoke, http = signed_invoke(cloud, "warm"), request_bytes("GET", api_url)
    floor = request_bytes("POST", f"http://{here}:{port}/invoke", EVENT)
    hello = request_bytes("GET", f"http://{here}:{port}/")
    for request in (invoke, http):
        asyncio.run(throughput(here, cloud.port, [request] * CONNECTIONS, 400))
    for _ in range(_PARTS):  # in turns, so that whatever else the machine does meets both
        floor_times = latencies(here, port, floor, _WARM // _PARTS)
        times = latencies(here, cloud.port, invoke, _WARM // _PARTS)
        http_times = latencies(here, cloud.port, http, _WARM // _PARTS)
        middle = statistics.median(floor_times) * 1e3
        figures["p50"].add(statistics.median(times) * 1e3, middle)
        figures["p99"].add(percentile(times, 0.99) * 1e3, percentile(floor_times, 0.99) * 1e3)
        figures["http_p50"].add(statistics.median(http_times) * 1e3, middle)
        floor_rate, rate, http_rate = (
            asyncio.run(throughput(here, at, [request] * CONNECTIONS, _LOAD // _PARTS))
            for at, request in ((port, floor), (cloud.port, invoke), (cloud.port, http))
        )
        figures["rate"].add(rate, floor_rate)
        figures["http_rate"].add(http_rate, floor_rate)
    figures["hello"].add(asyncio.run(throughput(here, port, [hello] * CONNECTIONS, _LOAD)))


def _cold(cloud: BenchCloud, round_: int, figures: dict[str, Figure]) -> None:
    times: list[float] = []
    for number in range(_COLD):
        name = f"cold-{round_}-{number}"
        cloud.create_function(name, HANDLER + f"# {name}\n")
        times += latencies("127.0.0.1", cloud.port, signed_invoke(cloud, name), 1)
        cloud.client("lambda").delete_function(FunctionName=name)
    figures["cold_p50"].add(statistics.median(times) * 1e3)
    figures["cold_p99"].add(percentile(times, 0.99) * 1e3)


def _burst(cloud: BenchCloud, round_: int, figures: dict[str, Figure]) -> None:
    name = f"burst-{round_}"
    # Each invocation lasts long enough for all to be under way at once.
    cloud.create_function(
        name, "import time\n" + HANDLER.replace("    nums =", "    time.sleep(0.5)\n    nums =")
    )
    request = signed_invoke(cloud, name)
    rate = asyncio.run(throughput("127.0.0.1", cloud.port, [request] * _BURST, _BURST))
    figures["burst"].add(_BURST / rate)
    figures["pss"].add(cloud.environments_pss_mib())
    cloud.client("lambda").delete_function(FunctionName=name)


def _first_ones(cloud: BenchCloud, figures: dict[str, Figure]) -> None:
    """So many cold starts at once that none can be spared: each is of another function."""
    names = [f"first-{number}" for number in range(_BURST)]
    for name in names:
        cloud.create_function(name)
    requests = [signed_invoke(cloud, name) for name in names]
    figures["first"].add(_BURST / asyncio.run(throughput("127.0.0.1", cloud.port, requests, _BURST)))


def _science_function(cloud: BenchCloud) -> bool:
    """The function with SnapStart; false when its packages cannot be had."""
    try:
        arns = layers.publish(cloud)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"SnapStart is left out, its packages cannot be installed here: {error}")
        return False
    science = {
        "Runtime": f"python{layers.VERSION}",
        "Layers": arns,
        "MemorySize": 1769,
        "Timeout": 30,
        "SnapStart": {"ApplyOn": "PublishedVersions"},
    }
    cloud.create_function("science", _SCIENCE, **science)
    return True


def _snap_start(cloud: BenchCloud, round_: int, figures: dict[str, Figure]) -> None:
    """Restores of a version that is published for the purpose."""
    functions = cloud.client("lambda")
    functions.update_function_configuration(FunctionName="science", Description=f"round {round_}")
    functions.get_waiter("function_updated_v2").wait(FunctionName="science", WaiterConfig={"Delay": 1})
    version = functions.publish_version(FunctionName="science")["Version"]
    functions.get_waiter("published_version_active").wait(
        FunctionName="science", Qualifier=version, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    event = json.dumps({"nums": [1, 2, 3], "held": _HELD_S}).encode()
    times = asyncio.run(_restores(cloud, signed_invoke(cloud, f"science:{version}", event)))
    figures["restore"].add(statistics.median(times) * 1e3)
    functions.delete_function(FunctionName="science", Qualifier=version)


async def _restores(cloud: BenchCloud, request: bytes) -> list[float]:
    """Seconds of requests that each need a new environment: those before are still busy."""

    async def one(number: int) -> float:
        await asyncio.sleep(number * _HELD_S * 0.9 / _RESTORES)
        return 1 / await throughput("127.0.0.1", cloud.port, [request], 1) - _HELD_S

    return await asyncio.gather(*(one(number) for number in range(_RESTORES)))


if __name__ == "__main__":
    measure()
