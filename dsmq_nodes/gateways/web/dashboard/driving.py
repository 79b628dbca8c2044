"""Driving by hand: one driver at a time, with a dead man's switch.

While the driver holds the stick or a joint's slider, the page sends a command 12 times a second,
and the gateway publishes the newest one at 20 Hz. Without a command for 250 ms, at the end of the
socket and when the driver lets go, it publishes zero three times and then nothing, so that other
commands for the robot are not disturbed. A command that took 250 ms longer than the fastest one of
its driver moves nothing: a full network delays them and makes no silence. There is no zero for a
position: joints stop because the page never sends a position that is further away than a quarter of
a second. If the gateway itself ends, the robot has to stop by itself: topics that drive need a
`timeout`.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import VELOCITIES
from dsmq_nodes.gateways.web.hub_client import HubClient
from dsmq_nodes.gateways.web.launch_entry import DriveEntry
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.schema.find import find_type

if TYPE_CHECKING:
    import asyncio

    from dsmq_nodes.gateways.hub import HubWriter

SILENT_SEC: Final = 0.25
_PERIOD_SEC: Final = 0.05
_DRIFT: Final = 0.001  # of the page's clock against ours, at most
_ZEROS: Final = 3
JOINTS: Final = "sensor_msgs/msg/JointState"
_MOST_JOINTS: Final = 100


class Driving:
    """The driver, and its commands.

    Attributes:
        name: the driver; empty if nobody drives.
        type: the type of the commands; empty if nobody drives.
    """

    def __init__(self, entry: DriveEntry) -> None:
        self._entry = entry
        self._client: HubClient | None = None
        self._writer: HubWriter | None = None
        self._wanted: object = {}
        self._received_sec = -math.inf
        self._fastest = math.inf, 0.0  # our clock minus the page's, and when that was
        self._is_late = False
        self._zeros = 0
        self._timer: asyncio.TimerHandle | None = None
        self.name = self.type = ""

    def is_driver(self, client: HubClient) -> bool:
        """Whether this client drives."""
        return self._client is client

    def arm(
        self, client: HubClient, name: str, topic: str, type_name: str, *, take_over: bool
    ) -> None:
        """Make a client the driver.

        Raises:
            CommandError: another client drives and `take_over` is False, or the type cannot drive.
        """
        client.check_writable()
        if type_name not in {*VELOCITIES, JOINTS}:
            raise CommandError(f"{topic} has the type {type_name}, which is not for driving")
        if self._client is not None and self._client is not client and not take_over:
            raise CommandError(f"{self.name} drives: wait until they let go, or take over")
        writer = client.advertise(topic, type_name, schema_text(find_type(type_name)))
        self.disarm()
        self._writer, self._client, self.name, self.type = writer, client, name, type_name
        self._fastest, self._is_late = (math.inf, 0.0), False

    def command(
        self, client: HubClient, linear: float, angular: float, at_sec: float = 0.0
    ) -> None:
        """Drive wheels, until the next command or `SILENT_SEC`.

        Args:
            client: the client that drives.
            linear: the share of the highest speed, -1 to 1.
            angular: the share of the highest turn rate, -1 to 1; positive is to the left.
            at_sec: the time at the page, by its clock; 0: not known.

        Raises:
            CommandError: the network began to delay the commands.
        """
        if self.type in VELOCITIES and math.isfinite(linear) and math.isfinite(angular):
            self._command(client, self._twist(_share(linear), _share(angular)), at_sec)

    def command_joints(
        self, client: HubClient, positions: Mapping[str, float], at_sec: float = 0.0
    ) -> None:
        """Move joints, until the next command or `SILENT_SEC`; `positions` are rad or m, by name.

        Raises:
            CommandError: the command has too many joints, or as above.
        """
        if len(positions) > _MOST_JOINTS:
            raise CommandError(f"a command may have at most {_MOST_JOINTS} joints")
        if self.type == JOINTS and all(map(math.isfinite, positions.values())):
            header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
            names, values = list(positions), list(positions.values())
            wanted = {"header": header, "name": names, "position": values}
            self._command(client, {**wanted, "velocity": [], "effort": []}, at_sec)

    def _command(self, client: HubClient, wanted: object, at_sec: float) -> None:
        if self._client is not client or client.outbox.age_sec > SILENT_SEC:
            return
        now_sec, was_late = client.now_sec(), self._is_late
        late_sec = self._late_sec(now_sec, at_sec) if at_sec else 0.0
        self._is_late = late_sec > SILENT_SEC
        if self._is_late:
            if was_late:
                return
            raise CommandError(
                f"the network delays commands by {late_sec:.1f} s: nothing moves until they come "
                "sooner, or you let go and arm again"
            )
        self._wanted = wanted
        self._received_sec = now_sec
        self._zeros = 0
        if self._timer is None:
            self._tick()

    def _late_sec(self, now_sec: float, at_sec: float) -> float:
        """Return how much longer a command took than the fastest one since the page was armed."""
        fastest_sec, was_sec = self._fastest
        fastest_sec = min(fastest_sec + (now_sec - was_sec) * _DRIFT, now_sec - at_sec)
        self._fastest = fastest_sec, now_sec
        return now_sec - at_sec - fastest_sec

    def release(self, client: HubClient) -> None:
        """Stop at once; the client stays the driver."""
        if self._client is client:
            self._received_sec = -math.inf
            if self._timer is not None:
                self._timer.cancel()
                self._tick()

    def disarm(self, client: HubClient | None = None) -> None:
        """Stop, and let others drive; do nothing for a client that does not drive."""
        if self._client is None or (client is not None and client is not self._client):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            for _ in range(_ZEROS - self._zeros):
                self._publish_zero()
        if self._writer is not None:
            self._client.release(self._writer)
        self._client, self._writer, self._zeros = None, None, 0
        self.name = self.type = ""

    def _tick(self) -> None:
        client = self._client
        if client is None:
            return
        self._timer = None
        if client.now_sec() - self._received_sec <= SILENT_SEC - _PERIOD_SEC / 2:
            self._publish(self._wanted)
        else:
            self._publish_zero()
            self._zeros += 1
            if self._zeros >= _ZEROS:
                return
        self._timer = client.hub.loop.call_later(_PERIOD_SEC, self._tick)

    def _publish_zero(self) -> None:
        if self.type in VELOCITIES:
            self._publish(self._twist(0.0, 0.0))

    def _publish(self, message: object) -> None:
        assert self._writer is not None
        self._writer.publish(msgspec.json.encode(message).decode())

    def _twist(self, linear: float, angular: float) -> object:
        twist = {
            "linear": {"x": linear * self._entry.linear, "y": 0.0, "z": 0.0},
            "angular": {"x": 0.0, "y": 0.0, "z": angular * self._entry.angular},
        }
        if not self.type.endswith("TwistStamped"):
            return twist
        stamp = {"sec": 0, "nanosec": 0}
        return {"header": {"stamp": stamp, "frame_id": "base_link"}, "twist": twist}


def _share(value: float) -> float:
    return min(max(value, -1.0), 1.0)
