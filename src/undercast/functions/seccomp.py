"""The system calls an environment may not make: a filter built once by the server, installed by each
environment.

At least as strict as Docker's default profile with no capabilities: everything that profile withholds is
withheld here, and what the kernel adds after `LAST_KNOWN` does not exist. Refused calls fail with EPERM, as
Docker's do, except those that libraries probe and replace (clone3, io_uring), which fail with ENOSYS.

Sources: seccomp(2), linux/filter.h, linux/seccomp.h, moby/profiles/seccomp/default.json. The program is a
binary search over call numbers, so that the kernel's look-ahead over all numbers at installation stays short.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Callable
from dataclasses import dataclass

LAST_KNOWN = 462  # mseal, Linux 6.10

# struct seccomp_data: nr at 0, arch at 4, args[i] (64 bits, low word first) at 16 + 8 i
_NR, _ARCH = 0, 4
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO, _SUPERVISOR = 0x7FFF0000, 0x80000000, 0x00050000, 0x7FC00000

_PERM, _NOSYS, _NOFAMILY = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS, _ERRNO | errno.EAFNOSUPPORT

_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone(2) knows
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_AF_NETLINK, _NETLINK_ROUTE = 16, 0
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

# name: (x86_64, aarch64); None where the architecture has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "afs_syscall": (183, None),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "getpmsg": (181, None),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listmount": (458, 458),
    "lookup_dcookie": (212, 18),
    "lsm_get_self_attr": (459, 459),
    "lsm_list_modules": (461, 461),
    "lsm_set_self_attr": (460, 460),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "putpmsg": (182, None),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "security": (185, None),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "statmount": (457, 457),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "tuxcall": (184, None),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
    "vserver": (236, None),
}
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
}

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def _load(offset: int) -> _Instruction:
    return (_LOAD, 0, 0, offset)


def _answer(value: int) -> _Instruction:
    return (_RETURN, 0, 0, value)


def _argument(index: int) -> _Instruction:
    """Loads the low 32 bits; the calls examined here take int arguments, of which no more is read."""
    return _load(16 + 8 * index)


def _clone(new_namespaces: int = _PERM) -> list[_Instruction]:
    return [_argument(0), (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES), _answer(new_namespaces), _answer(_ALLOW)]


def _socket() -> list[_Instruction]:
    """Local and internet sockets, and netlink for the questions that getaddrinfo asks."""
    code = [_argument(0)]
    for family in _FAMILIES:
        code += [(_JUMP_EQUAL, 0, 1, family), _answer(_ALLOW)]
    code += [(_JUMP_EQUAL, 1, 0, _AF_NETLINK), _answer(_NOFAMILY)]
    return [*code, _argument(2), (_JUMP_EQUAL, 0, 1, _NETLINK_ROUTE), _answer(_ALLOW), _answer(_PERM)]


def _ioctl() -> list[_Instruction]:
    code = [_argument(1)]
    for request in _TERMINAL_INJECTION:
        code += [(_JUMP_EQUAL, 0, 1, request), _answer(_PERM)]
    return [*code, _answer(_ALLOW)]


def _personality() -> list[_Instruction]:
    code = [_argument(0)]
    for persona in _PERSONALITIES:
        code += [(_JUMP_EQUAL, 0, 1, persona), _answer(_ALLOW)]
    return [*code, _answer(_PERM)]


_EXAMINED: dict[str, tuple[tuple[int, int], Callable[[], list[_Instruction]]]] = {
    "clone": ((56, 220), _clone),
    "ioctl": ((16, 29), _ioctl),
    "personality": ((135, 92), _personality),
    "socket": ((41, 198), _socket),
}


@dataclass(frozen=True, slots=True)
class _Architecture:
    column: int
    audit: int  # AUDIT_ARCH_*, linux/audit.h


_ARCHITECTURES = {"x86_64": _Architecture(0, 0xC000003E), "aarch64": _Architecture(1, 0xC00000B7)}


def _search(ranges: list[tuple[int, list[_Instruction]]]) -> list[_Instruction]:
    """Code that finds the range which the loaded number lies in; ranges are (first number, code)."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    if len(lower) <= 255:
        return [(_JUMP_GREATER_EQUAL, len(lower), 0, ranges[middle][0]), *lower, *upper]
    return [(_JUMP_GREATER_EQUAL, 0, 1, ranges[middle][0]), (0x05, 0, 0, len(lower)), *lower, *upper]


def build(machine: str | None = None, *, snapshot: bool = False) -> bytes:
    """The filter for an architecture (default: this machine's) as packed struct sock_filter.

    `snapshot`: for processes that environments are forked from (SnapStart). A supervisor answers their
    unshare (`door.py`); mount and move_mount are left to the kernel, which refuses them to whoever has no
    capability.

    Raises ValueError for an architecture without a table of call numbers.
    """
    machine = machine or platform.machine()
    architecture = _ARCHITECTURES.get(machine)
    if architecture is None:
        raise ValueError(f"no system call table for {machine}")
    column = architecture.column
    special: dict[int, list[_Instruction]] = {}
    for table, value in ((_REFUSED, _PERM), (_ABSENT, _NOSYS)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                special[number] = [_answer(value)]
    for examined, code in _EXAMINED.values():
        special[examined[column]] = code()
    if snapshot:
        for name, value in (("unshare", _SUPERVISOR), ("mount", _ALLOW), ("move_mount", _ALLOW)):
            if (number := _REFUSED[name][column]) is not None:
                special[number] = [_answer(value)]
        special[_EXAMINED["clone"][0][column]] = _clone(_SUPERVISOR)

    ranges: list[tuple[int, list[_Instruction]]] = []
    for number in range(LAST_KNOWN + 1):
        wanted = special.get(number, [_answer(_ALLOW)])
        if not ranges or ranges[-1][1] != wanted:
            ranges.append((number, wanted))
    # Everything above, the x32 calls (bit 30) among them, does not exist.
    ranges.append((LAST_KNOWN + 1, [_answer(_NOSYS)]))

    program = [
        _load(_ARCH),
        (_JUMP_EQUAL, 1, 0, architecture.audit),
        _answer(_KILL),
        _load(_NR),
        *_search(ranges),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
