"""The system calls that namespaces, mounts and privileges need, straight through libc.

Stand-alone and quick to import: it is loaded by the server and, under the function's own interpreter (3.8 and
newer), by every zygote. Names and constants are those of the manual pages; each function raises OSError with
the errno of the call it is named for.
"""

from __future__ import annotations

import ctypes
import os
import signal
from ctypes import c_char_p, c_int, c_long, c_ulong, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ARM = os.uname().machine == "aarch64"

# clone(2), unshare(2), setns(2)
SYS_clone = 220 if _ARM else 56
CLONE_NEWNS = 0x00020000
CLONE_CHILD_CLEARTID = 0x00200000
CLONE_CHILD_SETTID = 0x01000000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# mount(2), umount2(2)
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

# open_tree(2), move_mount(2), fsopen(2), fsmount(2), mount_setattr(2): one number on every architecture
# (include/uapi/asm-generic/unistd.h)
SYS_open_tree = 428
SYS_move_mount = 429
SYS_fsopen = 430
SYS_fsconfig = 431
SYS_fsmount = 432
SYS_mount_setattr = 442
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
MOVE_MOUNT_F_EMPTY_PATH = 0x4
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_NOATIME = 0x10

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_GET_TID_ADDRESS = 40
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
# seccomp(2)
SYS_seccomp = 277 if _ARM else 317
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
# SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP left off, SECBIT_NO_CAP_AMBIENT_RAISE, each with its lock
# (include/uapi/linux/securebits.h)
SECUREBITS = 0b1100_0011

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = c_long
_libc.mount.argtypes = (c_char_p, c_char_p, c_char_p, c_ulong, c_char_p)
_libc.umount2.argtypes = (c_char_p, c_int)
_libc.prctl.argtypes = (c_int, c_ulong, c_ulong, c_ulong, c_ulong)
_libc.unshare.argtypes = (c_int,)
_libc.setns.argtypes = (c_int, c_int)
_libc.pivot_root.argtypes = (c_char_p, c_char_p)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _path(value: str | os.PathLike[str] | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


_libc_holding_lock = ctypes.PyDLL(None, use_errno=True)
_libc_holding_lock.syscall.restype = c_long


def fork() -> int:
    """fork(2) without the interpreter's at-fork functions.

    They reinitialise locks, of which a single-threaded process that is doing nothing else holds none, and
    reseed `random`, which is left to whoever runs the function; calling them copies pages and takes longer
    than the fork.
    """
    return _check(_libc_holding_lock.fork(), "fork")


def tid_address() -> int:
    """Where the calling thread keeps its own number for libc (prctl(2), PR_GET_TID_ADDRESS). Raises
    OSError."""
    address = c_ulong(0)
    prctl(PR_GET_TID_ADDRESS, ctypes.addressof(address))
    return address.value


def clone(flags: int, tid: int) -> int:
    """Forks into new namespaces at once (clone(2)), for a process with a single thread.

    Handlers of pthread_atfork(3) do not run; `tid` is where libc is to find the child's number (tid_address).
    """
    wanted = flags | signal.SIGCHLD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
    last = (0, tid) if _ARM else (tid, 0)  # the order of tls and child_tid is the architecture's
    arguments = [c_ulong(value) for value in (wanted, 0, 0, *last)]
    return _check(_libc_holding_lock.syscall(c_long(SYS_clone), *arguments), "clone")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    _check(_libc.setns(descriptor, kind), "setns")


def mount(
    source: str | None, target: str, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    _check(_libc.mount(_path(source), _path(target), _path(kind), flags, _path(data)), f"mount {target}")


def umount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(_path(target), flags), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    _check(_libc.pivot_root(_path(new_root), _path(put_old)), "pivot_root")


def prctl(option: int, first: int = 0, second: int = 0, third: int = 0, fourth: int = 0) -> None:
    _check(_libc.prctl(option, first, second, third, fourth), f"prctl {option}")


def _syscall(number: int, what: str, *arguments: object) -> int:
    return _check(_libc.syscall(c_long(number), *arguments), what)


def open_tree(path: str | os.PathLike[str], recursive: bool = False) -> int:
    """A detached copy of the mount at `path`, as a descriptor; it disappears with its last descriptor."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (0x8000 if recursive else 0)  # AT_RECURSIVE
    return _syscall(SYS_open_tree, f"open_tree {path}", c_int(AT_FDCWD), c_char_p(_path(path)), c_long(flags))


def move_mount(descriptor: int, target: str) -> None:
    """Attaches a detached mount at `target`."""
    _syscall(
        SYS_move_mount,
        f"move_mount {target}",
        c_int(descriptor),
        c_char_p(b""),
        c_int(AT_FDCWD),
        c_char_p(_path(target)),
        c_long(MOVE_MOUNT_F_EMPTY_PATH),
    )


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def mount_setattr(descriptor: int, attributes: int) -> None:
    """Sets attributes on a detached mount, before anyone can reach it without them."""
    wanted = _MountAttr(attributes, 0, MS_PRIVATE, 0)
    _syscall(
        SYS_mount_setattr,
        "mount_setattr",
        c_int(descriptor),
        c_char_p(b""),
        c_long(AT_EMPTY_PATH),
        ctypes.byref(wanted),
        c_long(ctypes.sizeof(wanted)),
    )


def new_mount(kind: str, options: Iterable[tuple[str, str | None]], attributes: int = 0) -> int:
    """A detached mount of a new file system `kind`; options are (name, value or None for a flag)."""
    context = _syscall(SYS_fsopen, f"fsopen {kind}", c_char_p(_path(kind)), c_long(FSOPEN_CLOEXEC))
    try:
        for name, value in options:
            command = FSCONFIG_SET_FLAG if value is None else FSCONFIG_SET_STRING
            _syscall(
                SYS_fsconfig,
                f"fsconfig {kind} {name}",
                c_int(context),
                c_long(command),
                c_char_p(_path(name)),
                c_char_p(_path(value)),
                c_long(0),
            )
        _syscall(
            SYS_fsconfig,
            f"fsconfig {kind} create",
            c_int(context),
            c_long(FSCONFIG_CMD_CREATE),
            c_void_p(None),
            c_void_p(None),
            c_long(0),
        )
        return _syscall(
            SYS_fsmount, f"fsmount {kind}", c_int(context), c_long(FSMOUNT_CLOEXEC), c_long(attributes)
        )
    finally:
        os.close(context)


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog, linux/filter.h"""

    _fields_ = [("length", ctypes.c_ushort), ("filter", c_char_p)]


def install_filter(program: bytes) -> None:
    """Puts the calling thread under a seccomp filter, given as packed struct sock_filter.

    It cannot be undone.
    """
    wanted = _FilterProgram(len(program) // 8, program)
    _check(
        _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(wanted), 0, 0),
        "prctl PR_SET_SECCOMP",
    )


def install_supervised_filter(program: bytes) -> int:
    """The same for a filter that leaves calls to a supervisor (seccomp_unotify(2)); the supervisor's
    descriptor."""
    wanted = _FilterProgram(len(program) // 8, program)
    return _syscall(
        SYS_seccomp,
        "seccomp",
        c_long(SECCOMP_SET_MODE_FILTER),
        c_long(SECCOMP_FILTER_FLAG_NEW_LISTENER),
        ctypes.byref(wanted),
    )


def drop_capabilities() -> None:
    """No capability in any set that counts (capset(2), version 3 of its structures)."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def drop_capability_bounds() -> None:
    """Nothing this process or its children execute can gain a capability again (capabilities(7))."""
    number = 0
    while _libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0:  # EINVAL after the last capability there is
        prctl(PR_CAPBSET_DROP, number)
        number += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    prctl(PR_SET_SECUREBITS, SECUREBITS)
