"""Messages as ROS 2's own bytes (CDR), for the compression `cbor-raw`; needs the extra `ros`.

A CBOR frame whose `msg` is `{"secs": S, "nsecs": N, "bytes": B}`: the message's time and its CDR,
as rosbridge_suite sends it. CDR has no field names: it needs the order of the fields, which is
known only for the kit's own types. JSON Schemas from others are sorted.
"""

from typing import Any

from rosbags.typesys import Stores, get_typestore

from dsmq_nodes.bag.ros.ros_definitions import register_class
from dsmq_nodes.bag.ros.ros_values import RosTypes
from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.known_types import KnownType


class RawMessages:
    """Writes messages of the kit's own types."""

    def __init__(self) -> None:
        self._store: Any = get_typestore(Stores.ROS2_JAZZY)
        self._types = RosTypes(self._store)

    def written(self, values: dict[str, Any], kind: KnownType) -> bytes:
        """Return a decoded message as CDR.

        Raises:
            CommandError: the order of the fields is unknown, or the message does not fit its type.
        """
        try:
            if kind.cls is None:
                raise ValueError("the order of its fields is unknown")
            register_class(self._store, kind.cls)
            message = self._types.from_json(values, kind.name)
            return bytes(self._store.serialize_cdr(message, kind.name))
        except Exception as error:  # noqa: BLE001  numpy, struct and the library may raise anything
            reason = str(error) or type(error).__name__
            raise CommandError(f"no CDR of {kind.name or 'no type'}: {reason}") from None
