"""The emergency stop: it stays pressed until it is released, even if its publisher has ended.

So each `EmergencyStop` (each `Actuator` has one) keeps the state, and repeats each state that it
receives, latched. The state exists as long as the broker or one of them lives.

**No clock decides.** Each press is a stop of its own, with a unique name. The state is the set of
the known stops (`StopState`): a stop is in force until it is released, and a released stop stays
released. A release covers the stops that are known where it is made, and no other. So when a press
and a release cross, the press wins; a repeated old state undoes nothing; and two states are joined
to the same result in whatever order they are received. An `EmergencyStop` that receives a state
other than its own joins the two, and publishes the result.

The state travels in fields that other readers ignore: `{"data": true, "changed_ns": 1700, "stops":
{"desk-1f": 0}}`. The number of a stop is 0 while it is in force, and above 0 once it is released.
These numbers rise, so that the oldest is forgotten first. `changed_ns` is the time since which the
state holds, for `doctor` and for nodes of earlier versions, which compare it: a message with this
field alone is from one of those.

A message without these fields, from any publisher of Bool, is a press or a release, unless it was
received before: a publisher may repeat to a new broker what it published long ago. So a state
contains the names of such messages, too. The false of a node releases the stops that this node has
pressed by a true, and nothing else: drivers of buttons and watchdogs publish false all the time.
The false of a tool, as of `topic pub`, comes from a person, and releases all stops that the reader
knows.

An uplink publishes what many nodes of other machines have published, so it adds the publisher,
`by`: the epoch of the other broker, and the name of the node. The false of a tool of another
machine may be old when it arrives. It releases the stops that came from its own broker, whose
messages arrive in order, and those of other brokers that are older than itself, by this machine's
clock; but no stop that was pressed on this machine, which that broker need not know.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from typing_extensions import override

from dsmq_nodes.errors import MessageError
from dsmq_nodes.graph.callback import Result, check_takes
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.topics.qos import QoSProfile
from dsmq_nodes.graph.topics.subscription import MessageInfo
from dsmq_nodes.messages.std import Bool
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC

_LATCHED: Final = QoSProfile(depth=1, durability="transient_local")
_NO_STATE_SKIPPED: Final = 1000  # a repeated old state must not push out a new one
_NS_IN_RANGE: Final = range(1, 2**62)
_NUMBERS: Final = range(2**53)
_MOST_STOPS: Final = 64  # in force, and as many released ones
_IN_FORCE: Final = 0
_DIGITS: Final = 20  # of a time in ns
_OLDER: Final = "older"  # nodes of earlier versions; a node's name begins with a slash


class StopState(NamedTuple):
    """The known state of an emergency stop. Pure.

    Attributes:
        changed_ns: the time since which it holds, by the wall clock of its changer; 0: nothing is
            known.
        stops: the known presses, each with 0 while it is in force, or the number of its release.
    """

    changed_ns: int = 0
    stops: tuple[tuple[str, int], ...] = ()

    @property
    def is_pressed(self) -> bool:
        """Whether a stop is in force."""
        return any(number == _IN_FORCE for _, number in self.stops)

    def pressed(self, stop: str, at_ns: int, instead_of: str = "") -> "StopState":
        """Return the state with one more stop, which replaces `instead_of` of the same source."""
        now = dict(self.stops) | {stop: _IN_FORCE}
        if instead_of in now:
            now[instead_of] = max(now.values()) + 1
        return StopState(self._later_ns(at_ns), _remembered(now))

    def released(self, name: str, at_ns: int, of: Iterable[str] | None = None) -> "StopState":
        """Release these stops, or all in force; if no stop is known, add `name`."""
        number = max((number for _, number in self.stops), default=_IN_FORCE) + 1
        now = dict(self.stops) | dict.fromkeys(self.in_force() if of is None else of, number)
        return StopState(self._later_ns(at_ns), _remembered(now or {name: number}))

    def in_force(self, of: str = "") -> list[str]:
        """Return the stops in force whose names begin with `of`."""
        return [stop for stop, was in self.stops if was == _IN_FORCE and stop.startswith(of)]

    def joined(self, other: "StopState") -> "StopState":
        """Return the stops that either state knows; one that either has released is released."""
        now = dict(self.stops)
        for stop, number in other.stops:
            now[stop] = max(number, now.get(stop, _IN_FORCE))
        stops = _remembered(now)
        changed_ns, was_pressed = max(self.for_older_versions, other.for_older_versions)
        is_new = StopState(0, stops).is_pressed != was_pressed
        return StopState(changed_ns + is_new, stops)

    @property
    def for_older_versions(self) -> tuple[int, bool]:
        """The key by which they compare states: the later one counts, else the pressed one."""
        return self.changed_ns, self.is_pressed

    def _later_ns(self, at_ns: int) -> int:
        return max(at_ns if at_ns in _NS_IN_RANGE else 0, self.changed_ns + 1)


def _remembered(stops: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Return the stops in force and those released last; equal sets give equal results."""
    in_force = sorted(stop for stop, number in stops.items() if number == _IN_FORCE)
    released = sorted((number, stop) for stop, number in stops.items() if number != _IN_FORCE)
    kept = [(stop, _IN_FORCE) for stop in in_force[:_MOST_STOPS]]
    return (*kept, *((stop, number) for number, stop in released[-_MOST_STOPS:]))


def _is_before(stop: str, number: int) -> bool:
    return stop.rpartition("@")[2].zfill(_DIGITS) <= str(number).zfill(_DIGITS)


def _shown(source: str) -> str:
    """Return the publisher of a press for a text."""
    name, _, by = source.partition(":")
    if by:
        return f"{by[by.find('/') :] if '/' in by else 'a tool'} of another machine"
    return name if "/" in name else name.rpartition("-")[0] or "a tool"


class _StopMessage(Bool, type_name=Bool.type_name):
    """std_msgs/msg/Bool with the fields that an `EmergencyStop` adds."""

    changed_ns: int = 0
    stops: dict[str, int] = {}
    by: str = ""

    @classmethod
    @override
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]
        """Return the schema of std_msgs/msg/Bool, which it is for all others."""
        return Bool.schema()

    @property
    def state(self) -> StopState | None:
        """The state in the message; None: it is from another publisher of Bool."""
        valid = {stop: number for stop, number in self.stops.items() if number in _NUMBERS}
        state = StopState(self.changed_ns, _remembered(valid))
        is_whole = self.changed_ns in _NS_IN_RANGE and valid and state.is_pressed == self.data
        return state if is_whole else None


class EmergencyStop:
    """A topic of std_msgs/msg/Bool: true stops every actuator, also those started later.

    A press is obeyed whatever the clocks of the machines say. `release()` releases the stops that
    were received or pressed here, and no other.
    """

    def __init__(
        self,
        node: Node,
        on_change: Callable[[bool], Result] | None = None,
        topic: str = EMERGENCY_STOP_TOPIC,
    ) -> None:
        """Subscribe the topic; `on_change(is_pressed)` is called when the state changes."""
        if on_change is not None:
            check_takes(on_change, "the on_change of an emergency stop", "is_pressed")
        self._node = of_kind(node, Node, "the node of an EmergencyStop")
        self._on_change = on_change
        self._state = StopState()
        self._pressed_here = ""  # the last stop pressed by this object
        self._released_by: dict[str, str] = {}  # a publisher's last release without a state
        self._warned_of: set[str] = set()  # nodes whose false has released nothing, once logged
        self._changing = threading.Lock()
        self._publisher = node.create_publisher(_StopMessage, topic, _LATCHED)
        node.create_subscription(_StopMessage, topic, self._on_message, _NO_STATE_SKIPPED)
        node._kit.when_broker_is_back.append(self._publish_state)

    @property
    def topic_name(self) -> str:
        """The name of its topic, as resolved."""
        return self._publisher.topic_name

    @property
    def is_pressed(self) -> bool:
        """Whether a stop is in force; False before any state was received."""
        return self._state.is_pressed

    @property
    def is_known(self) -> bool:
        """Whether any state has been received."""
        return self._state.changed_ns > 0

    def press(self) -> None:
        """Stop every actuator, from any thread; this node's at once, with or without a broker."""
        self._set(is_pressed=True)

    def release(self) -> None:
        """Let actuators obey their next command; an old one is not resumed."""
        self._set(is_pressed=False)

    @property
    def kept(self) -> str:
        """The state as a text, for `recall`."""
        return self._message().to_json()

    def recall(self, kept: str) -> int:
        """Join a pressed state that was `kept`; return the time since which it holds, in ns.

        A text that cannot be read counts as pressed. If others know its release, it is released.
        """
        try:
            state = _StopMessage.from_json(kept).state
        except MessageError:
            state = None
        if state is None or not state.is_pressed:
            state = StopState().pressed(self._new_name(), self._now_ns())
        self._join(state)
        return state.changed_ns

    def _set(self, *, is_pressed: bool) -> None:
        name, now_ns = self._new_name(), self._now_ns()

        def change(known: StopState) -> StopState:
            if not is_pressed:
                return known.released(name, now_ns)
            before, self._pressed_here = self._pressed_here, name
            return known.pressed(name, now_ns, before)

        changed = self._change_state(change)
        self._publish_state()
        on_change = self._on_change
        if changed is not None and on_change is not None:
            self._node._kit.dispatcher.soon(lambda: on_change(changed), on_change)

    def _now_ns(self) -> int:
        return self._node._kit.wall_clock.now_ns()  # as messages are stamped

    def _new_name(self) -> str:
        return f"{self._node.get_name()}-{os.urandom(4).hex()}"

    def _on_message(self, msg: _StopMessage, info: MessageInfo) -> None:
        state, at_ns = msg.state, info.source_timestamp
        if state is not None:
            changed = self._join(state)
        elif msg.changed_ns in _NS_IN_RANGE and not msg.stops:
            changed = self._take_older_version(msg.changed_ns, msg.data)
        else:
            source = f"{info.publisher_name}:{msg.by}" if msg.by else info.publisher_name
            changed = self._take(source, at_ns or info.message_id, at_ns, msg.data)
        on_change = self._on_change
        if changed is not None and on_change is not None:
            # In a task of its own: the next state is received while a coroutine of it waits.
            self._node._kit.dispatcher.execute(lambda: on_change(changed), on_change)

    def _take_older_version(self, changed_ns: int, is_pressed: bool) -> bool | None:
        """Take the state of a node of an earlier version: the later one counts."""
        if (changed_ns, is_pressed) > self._state.for_older_versions:
            return self._take(_OLDER, changed_ns, changed_ns, is_pressed)
        if (changed_ns, is_pressed) != self._state.for_older_versions:
            self._publish_state()
        return None

    def _take(self, source: str, number: int, at_ns: int, is_pressed: bool) -> bool | None:
        """Take a press or release without a state; every reader gives it the same name."""
        name, own = f"{source}@{number}", f"{source}@"
        uplink, _, by = source.partition(":")
        of = own if "/" in (by or source) else f"{uplink}:" if by else ""

        def change(known: StopState) -> StopState:
            if name in dict(known.stops) or self._released_by.get(source) == name:
                return known
            if is_pressed:
                return known if known.in_force(own) else known.pressed(name, at_ns)
            if len(self._released_by) >= _MOST_STOPS:
                self._released_by.clear()
            self._released_by[source] = name
            covered = [
                stop
                for stop in known.in_force(of)
                if not by or stop.startswith(f"{uplink}:{by}") or _is_before(stop, number)
            ]
            is_news = covered or not known.changed_ns
            return known.released(name, at_ns, covered) if is_news else known

        before = self._state
        changed = self._change_state(change)
        if self._state != before:
            self._publish_state()
        if of and not is_pressed:
            self._warn_unreleased(source)
        return changed

    def _warn_unreleased(self, source: str) -> None:
        others = {_shown(stop.partition("@")[0]) for stop in self._state.in_force()}
        if not others or source in self._warned_of:
            return
        if len(self._warned_of) < _MOST_STOPS:
            self._warned_of.add(source)
        self._node.get_logger().warning(
            f"{_shown(source)} says false on {self.topic_name}: that releases its own "
            f"press, not those of others: {', '.join(sorted(others))}; `dsmq-nodes topic pub` on "
            "this machine releases all"
        )

    def _join(self, other: StopState) -> bool | None:
        """Join the state of another process with this one."""
        if other == self._state:
            return None
        changed = self._change_state(lambda known: known.joined(other))
        self._publish_state()
        return changed

    def _change_state(self, change: Callable[[StopState], StopState]) -> bool | None:
        """Change the state; return whether it is pressed now, or None if that did not change."""
        with self._changing:
            known = self._state
            state = change(known)
            if state.is_pressed and not known.is_pressed:
                # A release that was taken before may be repeated: it must not release this press.
                before = tuple((each, 1) for each in self._released_by.values())
                state = state.joined(StopState(0, before))
            self._state = state
        return None if state.is_pressed == known.is_pressed else state.is_pressed

    def _message(self) -> _StopMessage:
        changed_ns, stops = state = self._state
        return _StopMessage(data=state.is_pressed, changed_ns=changed_ns, stops=dict(stops))

    def _publish_state(self) -> None:
        if self.is_known:
            self._publisher.publish(self._message())
