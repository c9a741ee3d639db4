"""What can go wrong with a machine, as the services see it: one small family, no Incus status codes."""

from __future__ import annotations


class MachineError(Exception):
    """Something with a machine, an image or a volume failed; the message is fit for a person."""


class NotFound(MachineError):
    """The machine, image or volume named does not exist."""


class Conflict(MachineError):
    """The thing exists already, or is in a state that forbids what was asked."""


class Busy(Conflict):
    """A volume is still in use inside a machine (mounted or open), so it cannot be taken away yet."""


class Unavailable(MachineError):
    """Incus is not installed, not running or not reachable; the message says what to run."""


class TimedOut(MachineError):
    """Incus did not finish within the limit given; the operation may still complete later."""


class NoCapacity(MachineError):
    """The machine underneath has not the room (disk, memory) for what was asked."""


class Unsupported(MachineError):
    """This machine's kernel or Incus cannot do what was asked; the message says why."""
