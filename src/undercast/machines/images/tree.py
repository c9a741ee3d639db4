"""A root file system as it comes to be from the entries of tarballs, without unpacking any.

What an entry's name means depends on those before it: folders above it may be links, a later layer hides what
an earlier one holds. All of that is decided here, on names alone, and no name leads out of the tree.
Whiteouts: https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from tarfile import TarInfo

from undercast.machines.errors import Unsupported

LARGEST = 1_000_000  # entries
_DEEPEST = 200
_HOPS = 40  # links followed for one name, as Linux has it


@dataclass(slots=True, eq=False)
class Node:
    """A file, folder or link. Several names may share one (hard links).

    `entry` says where its header and contents stand: the number of the layer, and of the entry in it.
    `children` is None unless it is a folder, `target` unless it is a symbolic link. `start` is how a program
    begins, or all of a small text. `header` is a folder's own; None for one that is only implied. A `device`
    has its name and no more.
    """

    entry: tuple[int, int]
    children: dict[str, Node] | None = None
    target: str | None = None
    start: bytes = b""
    header: TarInfo | None = None
    device: bool = False


def parts(name: str) -> list[str]:
    """A name in its parts. Raises Unsupported for one that leads out, or that no file system takes."""
    found = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in found or "\0" in name or any(len(part) > 255 for part in found):
        raise Unsupported(f"The image holds a file of a name that is not allowed: {name[:200]!r}")
    return found


class Tree:
    """All files by name."""

    def __init__(self) -> None:
        self._root = Node((-1, -1), {})
        self._count = 0

    def put(self, path: list[str], node: Node) -> None:
        """Add a file, replacing what has its name; a folder that exists keeps what is in it."""
        there = self._folder_of(path, node.entry)
        old = there.get(path[-1])
        if old is not None and old.children is not None and node.children is not None:
            node.children = old.children
        there[path[-1]] = node

    def link(self, path: list[str], target: list[str], entry: tuple[int, int]) -> None:
        """Add a hard link."""
        found = self._at(target)
        if found is None or found.children is not None:
            raise Unsupported(f"The image is damaged: {'/'.join(path)} is a hard link to nothing")
        self._folder_of(path, entry)[path[-1]] = found

    def hide(self, path: list[str], layer: int) -> None:
        """Remove a file that layers before `layer` brought; below a folder likewise."""
        node = self._at(path)
        if node is None or not path:
            return
        _drop_older(node, layer)
        if node.entry[0] < layer and not node.children:
            del self._folder_of(path, node.entry)[path[-1]]

    def clear(self, path: list[str], layer: int) -> None:
        """Remove all that layers before `layer` brought into a folder."""
        node = self._at(path)
        if node is not None:
            _drop_older(node, layer)

    def find(self, name: str) -> Node | None:
        """The file of this name, links followed."""
        return self._walk(parts(name))

    def items(self) -> Iterator[tuple[str, Node]]:
        """Every name with its file; a folder comes before what is in it."""
        yield from _below(self._root, "")

    def _at(self, path: list[str]) -> Node | None:
        """What has this name, a link itself."""
        if not path:
            return self._root
        above = self._walk(path[:-1])
        return (above.children or {}).get(path[-1]) if above else None

    def _folder_of(self, path: list[str], entry: tuple[int, int]) -> dict[str, Node]:
        self._count += 1
        if self._count > LARGEST:
            raise Unsupported(f"The image holds more than {LARGEST:,} files")
        above = self._walk(path[:-1], entry)
        if above is None or above.children is None:
            raise Unsupported(f"The image is damaged: what {'/'.join(path)} lies in is no folder")
        return above.children

    def _walk(self, path: list[str], making: tuple[int, int] | None = None) -> Node | None:
        """Where a path leads, as the kernel would go it with this tree as its root."""
        way = [self._root]
        left = path[::-1]
        hops = 0
        while left:
            part = left.pop()
            if part == "..":
                del way[max(1, len(way) - 1) :]
                continue
            children = way[-1].children
            if children is None:
                return None
            if part not in children and making is None:
                return None
            node = children.get(part)
            if node is None:
                assert making is not None
                node = children[part] = Node(making, {})
                self._count += 1
            if node.target is None:
                way.append(node)
                if len(way) > _DEEPEST:
                    raise Unsupported(f"The image holds folders more than {_DEEPEST} deep")
                continue
            hops += 1
            if hops > _HOPS:
                return None
            if node.target.startswith("/"):
                del way[1:]
            left += [word for word in node.target.split("/") if word not in ("", ".")][::-1]
        return way[-1]


def _drop_older(node: Node, layer: int) -> None:
    for name, child in list((node.children or {}).items()):
        _drop_older(child, layer)
        if child.entry[0] < layer and not child.children:
            assert node.children is not None
            del node.children[name]


def _below(folder: Node, prefix: str) -> Iterator[tuple[str, Node]]:
    for name, node in (folder.children or {}).items():
        yield prefix + name, node
        yield from _below(node, f"{prefix}{name}/")
