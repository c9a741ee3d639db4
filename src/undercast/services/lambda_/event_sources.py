"""Event source mappings: none yet, since the queues and streams they read from do not exist here."""

from __future__ import annotations

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors
from undercast.services.lambda_.core import Core


class EventSources:
    """The five operations on event source mappings."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create_event_source_mapping(self, call: Call, params: Params) -> Result:
        arn = params.get("EventSourceArn")
        if not arn and not params.get("SelfManagedEventSource"):
            raise errors.invalid("Unrecognized event source.")
        raise errors.unsupported(
            f"An event source mapping from {arn or 'a self-managed source'}",
            "Invoke the function from the producer with InvocationType Event instead.",
        )

    def list_event_source_mappings(self, call: Call, params: Params) -> Result:
        return {"EventSourceMappings": []}

    def get_event_source_mapping(self, call: Call, params: Params) -> Result:
        raise errors.missing(errors.NO_RESOURCE)

    def update_event_source_mapping(self, call: Call, params: Params) -> Result:
        raise errors.missing(errors.NO_RESOURCE)

    def delete_event_source_mapping(self, call: Call, params: Params) -> Result:
        raise errors.missing(errors.NO_RESOURCE)
