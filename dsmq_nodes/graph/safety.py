"""What moves, and how it is stopped: actuators and the emergency stop."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic

from dsmq_nodes.graph.callback import MessageT, Result
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.qos import QoSProfile
from dsmq_nodes.messages.std import Bool

if TYPE_CHECKING:
    from dsmq_nodes.graph.publisher import Publisher

EMERGENCY_STOP_TOPIC: Final = "/emergency_stop"
_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")


class EmergencyStop:
    """A latched topic, std_msgs/msg/Bool: true stops every actuator, those started later too.

    Attributes:
        is_pressed: what was said last; false when nothing was.
    """

    def __init__(
        self,
        node: Node,
        on_change: Callable[[bool], Result] | None = None,
        topic: str = EMERGENCY_STOP_TOPIC,
    ) -> None:
        """Listen to it; `on_change(is_pressed)` is called when it is pressed and released."""
        self.is_pressed = False
        self._node = node
        self._on_change = on_change
        self._topic = topic
        self._publisher: Publisher[Bool] | None = None
        node.create_subscription(Bool, topic, self._on_stop, 1)

    def press(self) -> None:
        """Stop every actuator."""
        self._say(is_pressed=True)

    def release(self) -> None:
        """Let actuators obey their next command; none takes up an old one."""
        self._say(is_pressed=False)

    def _say(self, *, is_pressed: bool) -> None:
        if self._publisher is None:
            self._publisher = self._node.create_publisher(Bool, self._topic, _LATCHED)
        self._publisher.publish(Bool(data=is_pressed))

    def _on_stop(self, msg: Bool) -> Result:
        if msg.data == self.is_pressed:
            return None
        self.is_pressed = msg.data
        return self._on_change(msg.data) if self._on_change is not None else None


class Actuator(Generic[MessageT]):
    """Obeys the commands of a topic as long as that is safe.

    The node's `enter_safe_state` is called when no command has come for `timeout` seconds and when
    the emergency stop is pressed; while it is, commands are refused. (The node itself calls it when
    the broker is lost and at its end.)

    Attributes:
        refused: how many commands came while the emergency stop was pressed.
    """

    def __init__(
        self,
        node: Node,
        msg_type: type[MessageT],
        topic: str,
        obey: Callable[[MessageT], Result],
        *,
        timeout: float,
        emergency_stop: str = EMERGENCY_STOP_TOPIC,
    ) -> None:
        """Call `obey(msg)` for the newest command, and see to the node's safety.

        Args:
            node: whose actuator it is; it overrides `enter_safe_state`.
            msg_type: the type of the commands.
            topic: where they come.
            obey: `def` or `async def`.
            timeout: seconds without a command after which the node enters its safe state.
            emergency_stop: the topic of the emergency stop.

        Raises:
            TypeError: the node has no `enter_safe_state` of its own.
        """
        if type(node).enter_safe_state is Node.enter_safe_state:
            raise TypeError(f"{type(node).__name__} moves something: it needs enter_safe_state()")
        self.refused = 0
        self._node = node
        self._obey = obey
        self.emergency_stop = EmergencyStop(node, self._on_emergency_stop, emergency_stop)
        self.subscription = node.create_subscription(
            msg_type, topic, self._on_command, 1, timeout=timeout, on_timeout=node.enter_safe_state
        )

    def _on_command(self, msg: MessageT) -> Result:
        if self.emergency_stop.is_pressed:
            self.refused += 1
            return None
        return self._obey(msg)

    def _on_emergency_stop(self, is_pressed: bool) -> Result:
        self._node.get_logger().warning(f"emergency stop {'pressed' if is_pressed else 'released'}")
        return self._node.enter_safe_state() if is_pressed else None
