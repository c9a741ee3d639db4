"""Make the instance type catalogue, `src/undercast/services/ec2/data/instance_types.json`.

Reads a recorded answer of DescribeInstanceTypes (a JSON object of type name to description, gzipped or not;
the output of `aws ec2 describe-instance-types` does as well) and writes it by column: one line per member,
the distinct values first, then runs of [index of the value, how many types in a row have it]. Types are
sorted by family, where neighbours share most values, so the file stays small and its diffs can be read.

    python scripts/instance_types.py recorded.json.gz
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/undercast/services/ec2/data/instance_types.json"
FREE_TIER = {"t2.micro", "t3.micro"}
LEFT_OUT = {"InstanceType", "SupportedInRegion"}


def load(path: Path) -> dict[str, dict[str, Any]]:
    raw = path.read_bytes()
    document = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    if "InstanceTypes" in document:
        return {described["InstanceType"]: described for described in document["InstanceTypes"]}
    return dict(document)


def order(name: str) -> tuple[str, int, str]:
    family, size = name.split(".", 1)
    number = re.match(r"(?:metal-)?(\d+)", size)
    return family, int(number[1]) if number else 0, size


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Members by dotted path. A list of one structure goes on below `[]`; other lists are kept whole."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return leaves(value[0], f"{path}[]")
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for name, member in value.items():
        found |= leaves(member, f"{path}.{name}" if path else name)
    return found


def columns(types: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    rows = [leaves({k: v for k, v in described.items() if k not in LEFT_OUT}) for described in types.values()]
    table: dict[str, list[Any]] = {}
    for path in sorted({path for row in rows for path in row}):
        cells = [json.dumps(row.get(path)) for row in rows]
        distinct = list(dict.fromkeys(cells))
        runs = [[distinct.index(cell), len(list(run))] for cell, run in itertools.groupby(cells)]
        table[path] = [[json.loads(cell) for cell in distinct], [number for run in runs for number in run]]
    return table


def main() -> None:
    recorded = load(Path(sys.argv[1]))
    types = {name: recorded[name] for name in sorted(recorded, key=order)}
    for name in FREE_TIER & types.keys():
        types[name]["FreeTierEligible"] = True
    lines = [f'"types":{json.dumps(list(types), separators=(",", ":"))}']
    lines += [
        f"{json.dumps(path)}:{json.dumps(column, separators=(',', ':'))}"
        for path, column in columns(types).items()
    ]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"{len(types)} types, {TARGET.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
