"""Figures: medians over rounds, ratios to the floor of the same round, one table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass
class Figure:
    """One quantity, measured once a round, beside its floor of the same round."""

    name: str
    unit: str
    target: str = ""
    floor_name: str = ""
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def add(self, value: float, floor: float | None = None) -> None:
        """Take one round's value and its floor."""
        self.values.append(value)
        if floor is not None:
            self.floors.append(floor)

    def row(self) -> tuple[str, ...]:
        """The cells of its row: medians, spread, ratio."""
        middle = statistics.median(self.values)
        spread = f"{_shown(min(self.values))} .. {_shown(max(self.values))}"
        if not self.floors:
            return self.name, f"{_shown(middle)} {self.unit}", spread, "", "", self.target
        ratios = [value / floor for value, floor in zip(self.values, self.floors, strict=True)]
        floor = f"{_shown(statistics.median(self.floors))} {self.unit} ({self.floor_name})"
        return (
            self.name,
            f"{_shown(middle)} {self.unit}",
            spread,
            floor,
            f"{statistics.median(ratios):.2f}",
            self.target,
        )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def show(title: str, figures: Iterable[Figure]) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "median", "min .. max", "floor", "ratio", "target"):
        table.add_column(column, justify="left" if column in ("what", "target") else "right")
    for figure in figures:
        if figure.values:
            table.add_row(*figure.row())
    Console(width=150).print(table)
