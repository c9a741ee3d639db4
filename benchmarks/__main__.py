"""`python -m benchmarks [NAME ...] [--rounds N]`: figures beside their floors, measured in the same run."""

from __future__ import annotations

import argparse
import importlib

NAMES = ("sandbox", "snapstart", "engine", "functions", "describe", "servers")
LONG = ("soak",)  # only when asked for


def main() -> None:
    """Run the benchmarks named on the command line, or those that need no servers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, *LONG, []], metavar="NAME", help=", ".join(NAMES + LONG)
    )
    parser.add_argument("--rounds", type=int, default=2, help="rounds; figures are their medians")
    asked = parser.parse_args()
    for name in asked.names or NAMES:
        importlib.import_module(f"benchmarks.{name}").measure(asked.rounds)


if __name__ == "__main__":
    main()
