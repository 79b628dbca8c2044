"""Driving by hand: one driver at a time, and a dead man's switch at the robot's end.

While the driver's hand is on the stick the page sends a command 12 times a second, and the gateway
publishes the newest one at 20 Hz. Without a command for 250 ms, at the end of the socket and when
the driver lets go, it publishes zero three times and falls silent, so that it does not fight with
whatever else commands the robot. Its own end is for the robot: topics that drive need a `timeout`.
"""

import math
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.launch_entry import DriveEntry
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.schema.find import find_type

if TYPE_CHECKING:
    import asyncio

    from dsmq_nodes.gateways.hub import HubWriter

SILENT_SEC: Final = 0.25
_PERIOD_SEC: Final = 0.05
_ZEROS: Final = 3


class Driving:
    """Who drives, and what is commanded."""

    def __init__(self, entry: DriveEntry) -> None:
        self._entry = entry
        self._client: HubClient | None = None
        self._writer: HubWriter | None = None
        self._type: str = entry.type
        self._wanted = (0.0, 0.0)
        self._heard_sec = -math.inf
        self._zeros = 0
        self._timer: asyncio.TimerHandle | None = None
        self.name = ""

    def is_driver(self, client: HubClient) -> bool:
        """Whether this client drives."""
        return self._client is client

    def arm(
        self, client: HubClient, name: str, topic: str, type_name: str, *, take_over: bool
    ) -> None:
        """Make a client the driver.

        Raises:
            CommandError: somebody else drives, and is not to be relieved; nothing can be driven.
        """
        client.check_writable()
        if self._client is not None and self._client is not client and not take_over:
            raise CommandError(f"{self.name} drives: wait until they let go, or take over")
        self.disarm()
        self._writer = client.advertise(topic, type_name, schema_text(find_type(type_name)))
        self._client, self.name, self._type = client, name, type_name

    def command(self, client: HubClient, linear: float, angular: float) -> None:
        """Drive, until the next command or `SILENT_SEC`.

        Args:
            client: who drives.
            linear: the share of the highest speed, -1 to 1.
            angular: the share of the highest turn rate, -1 to 1; positive is to the left.
        """
        if self._client is not client or not (math.isfinite(linear) and math.isfinite(angular)):
            return
        self._wanted = (_share(linear), _share(angular))
        self._heard_sec = client.now_sec()
        self._zeros = 0
        if self._timer is None:
            self._tick()

    def let_go(self, client: HubClient) -> None:
        """Stop at once; the client stays the driver."""
        if self._client is client:
            self._heard_sec = -math.inf
            if self._timer is not None:
                self._timer.cancel()
                self._tick()

    def disarm(self, client: HubClient | None = None) -> None:
        """Stop, and let others drive; for a client that does not drive nothing is done."""
        if self._client is None or (client is not None and client is not self._client):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            for _ in range(_ZEROS - self._zeros):
                self._publish(0.0, 0.0)
        if self._writer is not None:
            self._client.release(self._writer)
        self._client, self._writer, self.name, self._zeros = None, None, "", 0

    def _tick(self) -> None:
        client = self._client
        if client is None:
            return
        self._timer = None
        if client.now_sec() - self._heard_sec <= SILENT_SEC - _PERIOD_SEC / 2:
            self._publish(*self._wanted)
        else:
            self._publish(0.0, 0.0)
            self._zeros += 1
            if self._zeros >= _ZEROS:
                return
        self._timer = client.hub.loop.call_later(_PERIOD_SEC, self._tick)

    def _publish(self, linear: float, angular: float) -> None:
        assert self._writer is not None
        twist = {
            "linear": {"x": linear * self._entry.linear, "y": 0.0, "z": 0.0},
            "angular": {"x": 0.0, "y": 0.0, "z": angular * self._entry.angular},
        }
        msg: object = twist
        if self._type.endswith("TwistStamped"):
            stamp = {"sec": 0, "nanosec": 0}
            msg = {"header": {"stamp": stamp, "frame_id": "base_link"}, "twist": twist}
        self._writer.publish(msgspec.json.encode(msg).decode())


def _share(value: float) -> float:
    return min(max(value, -1.0), 1.0)
