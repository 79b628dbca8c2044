"""The STOP button: a plain HTML form, so that it works while the page is still loading.

It publishes the launch file's stop message. While the broker is away, the message cannot reach the
robot, and the answer says so; it is sent as soon as the broker is back.
"""

from typing import Final

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import Hub, HubWriter
from dsmq_nodes.gateways.web.launch_entry import StopEntry, absolute
from dsmq_nodes.messages.schema.find import find_type

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class StopButton:
    """Publishes the stop message."""

    def __init__(self, hub: Hub, entry: StopEntry) -> None:
        """Check the message, and advertise its topic.

        Raises:
            CommandError: there is no such type.
            MessageError: the message does not fit the type.
        """
        self._hub = hub
        cls = find_type(entry.type)
        self._text = cls(**entry.msg).to_json()
        self._is_pending = False
        self._writer: HubWriter | None = None
        if not hub.is_read_only:
            self._writer = hub.advertise(absolute(entry.topic), entry.type, _encode(cls.schema()))
            hub.watch(self._perhaps_back)

    def press(self) -> None:
        """Publish the stop message.

        Raises:
            CommandError: the message could not be published.
        """
        if self._writer is None:
            raise CommandError("this gateway is read-only: it cannot stop the robot")
        if not self._hub.is_connected:
            self._is_pending = True
            raise CommandError(
                "the broker is away: STOP is sent when it is back; stop the robot by its own switch"
            )
        self._writer.publish(self._text)

    def _perhaps_back(self) -> None:
        if self._is_pending and self._hub.is_connected and self._writer is not None:
            self._is_pending = False
            self._writer.publish(self._text)
