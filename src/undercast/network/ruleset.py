"""A packet filter table as data, and the script that turns one into another in a single transaction.

Scripts are in nft(8)'s own language. The base chains never change while a server runs; named chains, sets
and maps do, and only what differs is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One `inet` table.

    `sets` and `maps` are keyed by name; a declaration is what stands between the braces besides elements.
    `chains` hold rules by name; `base` maps the names of base chains to their `type ... hook ...` line.
    """

    table: str
    base: Mapping[str, str]
    declarations: Mapping[str, str]
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def whole(self) -> str:
        """The script that puts this table in the place of whatever has its name."""
        lines = [f"table inet {self.table} {{ }}", f"delete table inet {self.table}"]
        lines.append(f"table inet {self.table} {{")
        for name, elements in self.sets.items():
            lines.append(f"set {name} {{ {self.declarations[name]}; {_elements(sorted(elements))}}}")
        # Chains are declared before the maps that lead to them, and filled after everything they mention.
        for name in self.chains:
            lines.append(f"chain {name} {{ {self.base.get(name, '')} }}")
        for name, entries in self.maps.items():
            lines.append(f"map {name} {{ {self.declarations[name]}; {_elements(_pairs(entries))}}}")
        lines.append("}")
        for name, rules in self.chains.items():
            lines.extend(f"add rule inet {self.table} {name} {rule}" for rule in rules)
        return "\n".join(lines) + "\n"

    def changes(self, new: Ruleset) -> str:
        """The script that leads from this table to `new`; empty when they are alike."""
        where = f"inet {self.table}"
        lines: list[str] = []
        for name in new.sets.keys() - self.sets.keys():
            lines.append(f"add set {where} {name} {{ {new.declarations[name]}; }}")
        lines.extend(f"add chain {where} {name}" for name in new.chains.keys() - self.chains.keys())
        # What leads to a chain goes before the chain does.
        for name, entries in new.maps.items():
            gone = [key for key, value in self.maps[name].items() if entries.get(key) != value]
            lines.extend(_change("delete", where, name, gone))
        touched = [name for name, rules in self.chains.items() if new.chains.get(name) != rules]
        lines.extend(f"flush chain {where} {name}" for name in touched)
        for name, elements in new.sets.items():
            before = self.sets.get(name, frozenset())
            lines.extend(_change("delete", where, name, sorted(before - elements)))
            lines.extend(_change("add", where, name, sorted(elements - before)))
        for name, rules in new.chains.items():
            if self.chains.get(name) != rules:
                lines.extend(f"add rule {where} {name} {rule}" for rule in rules)
        for name, entries in new.maps.items():
            fresh = {key: value for key, value in entries.items() if self.maps[name].get(key) != value}
            lines.extend(_change("add", where, name, _pairs(fresh)))
        lines.extend(f"delete chain {where} {name}" for name in self.chains.keys() - new.chains.keys())
        lines.extend(f"delete set {where} {name}" for name in self.sets.keys() - new.sets.keys())
        return "\n".join(lines) + "\n" if lines else ""


def _pairs(entries: Mapping[str, str]) -> list[str]:
    return [f"{key} : {value}" for key, value in sorted(entries.items())]


def _elements(elements: Iterable[str]) -> str:
    joined = ", ".join(elements)
    return f"elements = {{ {joined} }} " if joined else ""


def _change(verb: str, where: str, name: str, elements: list[str]) -> list[str]:
    return [f"{verb} element {where} {name} {{ {', '.join(elements)} }}"] if elements else []
