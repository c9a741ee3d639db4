"""DescribeInstances of 1,000 instances, from the request to the last byte of its 4 MB.

The floor, in the same round: reading an answer of the same length from a bare socket on this machine.
"""

from __future__ import annotations

import http.client
import socket
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.cloud import BenchCloud, running_cloud
from benchmarks.figures import Figure, show
from undercast.cloud import Cloud
from undercast.services.base import Call
from undercast.services.ec2.instance_states import state
from undercast.services.ec2.public_images import DEFAULT_AMI
from undercast.settings import Settings

COUNT = 1000


def fill(data: Path, account: str, region: str) -> None:
    """Write the records of 1,000 running instances, as a launch would, without machines behind them."""
    ec2 = Cloud(Settings(data=data, servers_enabled=False, functions_enabled=False, aws_config=False)).ec2
    ec2.capacity.check = lambda records: []  # type: ignore[method-assign]
    root = f"arn:aws:iam::{account}:root"
    call = Call("ec2", "RunInstances", account, region, root, account, "", "", "127.0.0.1", "", {})
    params = {"ImageId": DEFAULT_AMI, "InstanceType": "t2.micro", "MinCount": COUNT, "MaxCount": COUNT}
    ec2.launch.run_instances(call, params)
    with ec2.estate.change(account, region) as change:
        for record in change.all("instance"):
            change.put("instance", record["InstanceId"], {**record, "State": state("running")})
    ec2.cloud.store.close()


def ask(cloud: BenchCloud) -> tuple[float, int]:
    """Milliseconds for one answer, and its length."""
    body = b"Action=DescribeInstances&Version=2016-11-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", cloud.url, data=body, headers=headers)
    SigV4Auth(Credentials(cloud.key, cloud.secret), "ec2", cloud.region).add_auth(request)
    target = urlsplit(cloud.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port or 0, timeout=30)
    began = time.perf_counter()
    connection.request("POST", "/", body, dict(request.headers))
    answer = connection.getresponse()
    text = answer.read()
    took = (time.perf_counter() - began) * 1000
    connection.close()
    assert answer.status == 200, text[:500]
    assert text.count(b"<instanceId>") >= COUNT
    return took, len(text)


def bare(length: int) -> float:
    """Milliseconds to read that many bytes from a socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(bytes(length))

        sender = threading.Thread(target=send)
        sender.start()
        began = time.perf_counter()
        with socket.create_connection(server.getsockname()) as peer:
            while peer.recv(1 << 16):
                pass
        took = (time.perf_counter() - began) * 1000
        sender.join()
    return took


def measure(rounds: int) -> None:
    """Measure and show the table."""
    figure = Figure("DescribeInstances of 1,000", "ms", "< 150", "the same bytes from a bare socket")
    first = Figure("the first one after a start", "ms")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with running_cloud(data=data) as cloud:
            account, region = cloud.account, cloud.region
        fill(data, account, region)
        with running_cloud(data=data) as cloud:
            first.add(ask(cloud)[0])
            for _ in range(rounds):
                took, length = ask(cloud)
                figure.add(took, bare(length))
    show("Describing", (figure, first))
