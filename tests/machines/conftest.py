"""Fixtures for tests with real machines: an engine with an Incus project of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_support import Lab, make_key

import leftover_support
from undercast.machines import setup
from undercast.machines.incus import Incus
from undercast.machines.places import Places
from undercast.machines.setup import project
from undercast.machines.setup.progress import Quiet
from undercast.settings import Settings


@pytest.fixture(scope="session")
def machine_settings() -> Iterator[Settings]:
    """Settings with a data folder of one's own, on a machine that is set up for servers."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must run as root: machines need it")
        pytest.skip("needs root")
    data = Path(tempfile.mkdtemp(prefix="undercast-machines-"))
    settings = Settings(data=data)
    leftover_support.watch(data)
    try:
        setup.run(settings, Quiet())
        yield settings
    finally:
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def lab(machine_settings: Settings) -> Iterator[Lab]:
    """A started engine, and the ways tests reach into its machines."""
    made = Lab(machine_settings, make_key(machine_settings.data))
    try:
        made.run(made.machines.start())
        assert made.machines.capability().available, made.machines.capability().reason
        yield made
    finally:
        made.run(_remove(made.machines.places))
        made.close()


async def _remove(ours: Places) -> None:
    incus = Incus("default")
    try:
        await project.remove_project(incus, ours)
    finally:
        await incus.close()
