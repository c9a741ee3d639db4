"""Every table, a file per subject. Importing this package fills `Base.metadata`."""

from undercast.store.tables import queue as queue
