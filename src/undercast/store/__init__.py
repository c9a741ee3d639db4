"""Tables, migrations and the durable queue: what should be."""

from undercast.store.store import Base, Json, Store

__all__ = ["Base", "Json", "Store"]
