"""Converts standard messages to Foxglove's well-known ones (messages/schema/foxglove_types.py).

Numbers that JSON does not have (NaN, infinity) become null, as browsers write them.
"""

import json
from typing import TYPE_CHECKING

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.recorded_schemas import recorded_schema
from dsmq_nodes.bag.texts import loaded
from dsmq_nodes.messages.schema.dynamic import without_special
from dsmq_nodes.messages.schema.foxglove_types import CONVERSIONS, schema_of

if TYPE_CHECKING:
    from dsmq_nodes.messages.schema.schema_walk import Schema


class ToFoxglove:
    """Converts the messages of a bag to Foxglove's."""

    def __init__(self) -> None:
        self._channels: dict[Channel, Channel] = {}  # Foxglove's channels, by the bag's
        self._schemas: dict[Channel, Schema] = {}

    def of(self, record: Record) -> Record:
        """Return the message in Foxglove's form.

        Raises:
            ValueError: the message does not match its type.
        """
        ours = record.channel
        if ours.encoding != "json":
            return record
        name, convert = CONVERSIONS.get(ours.type_name, ("", None))
        if ours not in self._schemas:
            self._schemas[ours] = recorded_schema(ours)
            theirs = ours
            if convert is not None:
                schema = json.dumps(schema_of(name), separators=(",", ":")).encode()
                theirs = Channel(ours.topic, name, schema, metadata=ours.metadata)
            self._channels[ours] = theirs
        values = without_special(loaded(record.data), self._schemas[ours])
        if convert is not None:
            try:
                values = convert(values)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"it is no {ours.type_name}: {error!r}") from None
        data = json.dumps(values, separators=(",", ":")).encode()
        return record._replace(channel=self._channels[ours], data=data)
