"""Setting this machine up for servers: packages, the Incus daemon, our storage pool, the default image."""

from undercast.machines.setup.steps import ready, run, undo

__all__ = ["ready", "run", "undo"]
