"""The layers of numpy, pandas and scikit-learn as AWS's limits want them: zip files of up to 50 MB each."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from benchmarks.cloud import BenchCloud
from benchmarks.snapstart import PACKAGES
from undercast.functions import clients

VERSION = "3.12"  # the oldest Python that AWS has SnapStart for

# What goes into which layer; the rest goes with the last one.
_PARTS = (("numpy", "numpy.libs"), ("scipy",), ("scipy.libs",), ("sklearn",), ())
_LEFT_OUT = frozenset({"tests", "__pycache__"})  # the limit is 250 MB unzipped


def publish(cloud: BenchCloud) -> list[str]:
    """Publish them, and return their ARNs. Raises SubprocessError without a package index."""
    folder = _installed()
    arns = []
    for number, archive in enumerate(_archives(folder)):
        made = cloud.client("lambda").publish_layer_version(
            LayerName=f"science-{number}", Content={"ZipFile": archive.read_bytes()}
        )
        arns.append(made["LayerVersionArn"])
    return arns


def _installed() -> Path:
    target = clients.default_cache() / f"benchmark-layers-{VERSION}"
    if not (target / "python" / "sklearn").is_dir():
        print(f"Installing {', '.join(PACKAGES)} for the benchmark …", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target / "python")]
        wheels = ["--python-version", VERSION, "--only-binary=:all:", *PACKAGES]
        subprocess.run(
            [*pip, *wheels], check=True, timeout=300, stdin=subprocess.DEVNULL, capture_output=True
        )
    return target


def _archives(folder: Path) -> list[Path]:
    """The zip files, kept beside the folder: packing takes half a minute."""
    packages = folder / "python"
    named = {name for part in _PARTS for name in part}
    rest = tuple(path.name for path in packages.iterdir() if path.name not in named | _LEFT_OUT)
    found = []
    for number, names in enumerate((*_PARTS[:-1], rest)):
        archive = folder / f"layer-{number}.zip"
        if not archive.exists():
            fresh = archive.with_suffix(f".{os.getpid()}")
            with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
                for name in names:
                    _add(packed, packages / name, packages)
            fresh.replace(archive)
        found.append(archive)
    return found


def _add(packed: zipfile.ZipFile, path: Path, root: Path) -> None:
    if path.is_dir():
        for below in sorted(path.iterdir()):
            if below.name not in _LEFT_OUT:
                _add(packed, below, root)
    else:
        packed.write(path, f"python/{path.relative_to(root)}")
