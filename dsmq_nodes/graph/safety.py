"""Actuators: they obey commands, and stop the robot when that is no longer safe."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic

from dsmq_nodes.graph.callback import MessageT, Result, awaited, check_takes, to_await
from dsmq_nodes.graph.emergency_stop import EmergencyStop
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.time.ages import LATEST_SEC
from dsmq_nodes.graph.time.watchdog import Watchdog
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.messages.rosgraph import Clock
from dsmq_nodes.topic_names import CLOCK_TOPIC, EMERGENCY_STOP_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.graph.safe_state import Obeying
    from dsmq_nodes.messages.base import Time

_NEW_SEC: Final = 2.0  # nodes dial a lost broker at least once a second
_LONG_SEC: Final = 60.0  # a longer timeout of an Actuator is probably meant in milliseconds
_BLOCKED_SEC: Final = 1.0  # other commands waited for one that took so long without `await`
_HALTED_SEC: Final = 2.0  # a slow simulation advances its clock at least this often


class Actuator(Generic[MessageT]):
    """Obeys the commands of a topic as long as that is safe.

    The node's `enter_safe_state` is called when no command has come for `timeout` seconds, and when
    the emergency stop is pressed; commands are refused while it is pressed. (The node itself calls
    it when the broker is lost, and at its end.) Commands are also refused while the broker is lost,
    although messages may still come through shared memory, and while it is so new that nodes that
    know a pressed emergency stop may not be connected to it yet. A lifecycle node obeys while it is
    active, and enters its safe state before `on_deactivate` and `on_shutdown`. A command that is
    certainly older than `timeout`, because the process stood still or the network delayed it, is
    skipped: see `Subscription.late`. Without a timeout that is 3 s, besides the time for which the
    command waited until another one was carried out.

    Goals of the node's actions are cancelled when the emergency stop is pressed or a lifecycle node
    is deactivated, and refused until it may move again: their callbacks may move it too.

    A node may have several actuators. The timeout of one stops the whole node, since
    `enter_safe_state` stands for all of it, except after `hand_over`.

    Only a node that is spun notices a timeout. So the safe state is also entered when the spinning
    ends; in simulated time, when `/clock` stands still for 2 s; and, in another thread, when for
    longer than `timeout` a callback blocks the node, or a program that spins it by `spin_once`
    takes no further step. The last two are checked once a second. An `enter_safe_state` that raises
    is called again after a second, and a second time at the end of the node.

    Attributes:
        refused: how many commands were refused.
    """

    def __init__(
        self,
        node: Node,
        msg_type: type[MessageT],
        topic: str,
        obey: Callable[[MessageT], Result],
        *,
        timeout: float | None,
        emergency_stop: str = EMERGENCY_STOP_TOPIC,
        depth: int = 1,
    ) -> None:
        """Call `obey(msg)` for each command, and keep the node safe.

        Args:
            node: the node, which overrides `enter_safe_state`.
            msg_type: the type of the commands.
            topic: the topic of the commands.
            obey: `def` or `async def`; a coroutine is cancelled when the safe state is entered.
            timeout: seconds without a command after which the node enters its safe state; None: no
                next command is expected, as after one that carries a whole trajectory.
            emergency_stop: the topic of the emergency stop.
            depth: how many commands may wait while the node is busy; 1: only the newest is obeyed.

        Raises:
            TypeError: the node does not override `enter_safe_state`.
        """
        of_kind(node, Node, "the node of an Actuator")
        if type(node).enter_safe_state is Node.enter_safe_state:
            raise TypeError(f"{type(node).__name__} moves something: it needs enter_safe_state()")
        check_takes(obey, f"the obey of {topic}", "msg")
        self._node = node
        self._obey = obey
        self._obeying: asyncio.Future[None] | None = None
        self._timeout_sec = timeout
        self._obeyed_sec: float | None = None  # time of the last command; None since the safe state
        self._is_handed_over = False
        self._is_halted = False  # simulated time stands still
        self._would_know_stop = False  # a pressed stop would be known by now
        self.emergency_stop = self._shared_stop(emergency_stop)
        self.subscription = node._kit.topics.add_subscription(
            msg_type,
            node.resolve_topic_name(topic),
            self._on_command,
            QoSProfile(depth=depth),
            timeout=timeout,
            on_timeout=None if timeout is None else self._on_silence,
            # this limit is in real time
            longest_wait_sec=None if node._kit.uses_sim_time else timeout or LATEST_SEC,
        )
        if timeout is not None and timeout > _LONG_SEC:
            node.get_logger().warning(
                f"{topic}: an Actuator's timeout is in seconds; this one obeys the last command "
                f"for {timeout:g} s"
            )
        if timeout is not None and node._kit.uses_sim_time:
            self._watch_clock(max(timeout, _HALTED_SEC))
        node._kit.obey_by(self)

    def _shared_stop(self, topic: str) -> EmergencyStop:
        """Return the stop of the node's other actuators, so that a press stops the node once."""
        name = self._node.resolve_topic_name(topic)
        for each in self._node._kit.safe_state.actuators:
            if isinstance(each, Actuator) and each.emergency_stop.topic_name == name:
                return each.emergency_stop
        return EmergencyStop(self._node, self._on_emergency_stop, topic)

    @property
    def refused(self) -> int:
        """See the class."""
        return self.subscription.refused

    @property
    def is_free(self) -> bool:
        """Whether a command would be obeyed now; for commands that do not come by the topic."""
        kit = self._node._kit
        if self.is_stopped or kit.is_broker_lost:
            return False
        if self._is_halted:  # no timeout would stop it after its last command
            return False
        return self._would_know_stop or self._may_obey()

    def _on_command(self, msg: MessageT) -> Result:
        if not self.is_free:
            self.subscription.refused += 1
            if not self._node._kit.is_active:
                self._node.get_logger().warning(
                    f"{self.subscription.topic_name}: commands are refused until the node is "
                    "active",
                    once=True,
                )
            elif self._is_halted:
                self._node.get_logger().warning(
                    f"{self.subscription.topic_name}: commands are refused while {CLOCK_TOPIC} "
                    "stands still",
                    once=True,
                )
            return None
        clock = self._node._kit.wall_clock
        self._obeyed_sec = began_sec = clock.monotonic_sec()
        self._is_handed_over = False
        work = to_await(self._obey(msg), self._obey)
        if work is None:
            has_blocked = clock.monotonic_sec() - began_sec > _BLOCKED_SEC
            self._note_idle(self, *(self._node._kit.safe_state.actuators if has_blocked else ()))
            return None
        self._obeying = asyncio.ensure_future(awaited(work))
        return self._until_obeyed(self._obeying)

    async def _until_obeyed(self, obeying: "asyncio.Future[None]") -> None:
        try:
            await asyncio.wait({obeying})
        finally:
            obeying.cancel()  # the node is about to end
        self._note_idle(self)
        if not obeying.cancelled():
            obeying.result()

    def _note_idle(self, *waiting: "Obeying") -> None:
        for each in waiting:
            if not each.subscription.watchdogs:
                each.subscription.idle_since_sec = self._node._kit.wall_clock.monotonic_sec()

    def _watch_clock(self, halted_sec: float) -> None:
        """Enter the safe state by real time too: while `/clock` stands still, no timeout passes."""
        node = self._node

        def halt() -> Result:
            self._is_halted = True
            return self._stop()

        halted = Watchdog(halted_sec, halt, node._kit.dispatcher.execute)
        node._kit.spinner.add(halted, is_steady=True)
        last: Time | None = None

        def on_clock(msg: Clock) -> None:
            nonlocal last
            if msg.clock != last:
                last = msg.clock
                self._is_halted = False
                halted.heard()

        node.create_subscription(Clock, CLOCK_TOPIC, on_clock, 1)

    @property
    def is_stopped(self) -> bool:
        """Whether the emergency stop is pressed, or the node is a lifecycle node not active."""
        return self.emergency_stop.is_pressed or not self._node._kit.is_active

    @property
    def obeys(self) -> bool:
        """Whether a command was obeyed, and the safe state was not entered since."""
        return self._obeyed_sec is not None

    @property
    def is_overdue(self) -> bool:
        """Whether it still obeys a command that is older than the timeout."""
        if self._obeyed_sec is None or self._timeout_sec is None:
            return False
        now_sec = self._node._kit.wall_clock.monotonic_sec()
        return now_sec - self._obeyed_sec > self._timeout_sec

    def halt(self) -> None:
        """Stop obeying, as the safe state is about to be entered: cancel a running coroutine."""
        self._obeyed_sec = None
        self._cancel()

    def halt_from_thread(self) -> None:
        """Do the same from another thread: the coroutine is cancelled when its loop continues."""
        self._obeyed_sec = None
        if self._obeying is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._obeying.get_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._obeying is not None:
            self._obeying.cancel()

    def hand_over(self) -> None:
        """Let another command drive the node: until the next one here, no timeout stops the node.

        Call it where that other command is obeyed, if that command drives the same motors.
        """
        self.halt()
        self._is_handed_over = True

    def _on_silence(self) -> Result:
        if self._is_handed_over:
            return None
        actuators = self._node._kit.safe_state.actuators
        others = [a.subscription.topic_name for a in actuators if a.obeys and a is not self]

        def log() -> None:
            self._node.get_logger().warning(
                f"{self.subscription.topic_name}: no command for {self._timeout_sec:g} s: entering "
                f"the safe state, which stops what {', '.join(others)} commands, too: see "
                "Actuator.hand_over",
                once=True,
            )

        return self._stop(log if others else None)

    def _stop(self, log: Callable[[], None] | None = None) -> Result:
        safe_state = self._node._kit.safe_state
        safe_state.halt()
        return safe_state.enter(log)

    def _may_obey(self) -> bool:
        """Whether nodes that know a pressed emergency stop have had time to repeat it."""
        node = self._node
        began_sec = node._kit.link.broker_began_sec
        left_sec = began_sec + _NEW_SEC - node._kit.wall_clock.monotonic_sec()
        self._would_know_stop = self.emergency_stop.is_known or left_sec <= 0
        if not self._would_know_stop and not self.refused:
            shown_sec = max(left_sec, 0.1)
            node.get_logger().info(
                f"the broker is new: commands are refused for {shown_sec:.1f} s, until nodes that "
                "know a pressed emergency stop have had time to repeat it"
            )
        return self._would_know_stop

    def _on_emergency_stop(self, is_pressed: bool) -> Result:
        def log() -> None:
            word = "pressed" if is_pressed else "released"
            self._node.get_logger().warning(f"emergency stop {word}")

        if is_pressed:
            try:
                return self._stop(log)
            finally:
                self._node._kit.safe_state.halt_goals()
        log()
        return None
