"""The types of a graph: what the broker tells of them on `/dsmq/types`."""

import json
from typing import Any, Final

from dsmq_nodes.messages.dsmq_msgs import TypeDescription

_UNKNOWN: Final[dict[str, Any]] = {}


class TypesSeen:
    """The schemas that nodes have told, by the ids that the graph has for them."""

    def __init__(self) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}

    def take(self, text: str) -> None:
        """A message of `/dsmq/types` has come."""
        told = TypeDescription.from_json(text)
        try:
            schema = json.loads(told.json_schema)
        except (ValueError, RecursionError):
            return  # a node of somebody else's, who told no JSON
        if isinstance(schema, dict):
            self._schemas[told.schema_id] = schema

    def schema(self, schema_id: str) -> dict[str, Any]:
        """A schema; empty when nothing is known."""
        return self._schemas.get(schema_id, _UNKNOWN)
