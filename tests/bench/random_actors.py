"""The processes of `tests.bench.random_checker`: each is a node that writes what it does.

`python -m tests.bench.random_actors KIND NAME LOG`: a line of the log is `SECONDS WORD ...`, by the
machine's monotonic clock. It is written before the process goes on, so that `kill -9` loses none.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Final

from dsmq_nodes import (
    Action,
    ActionClient,
    ActionServer,
    Actuator,
    EmergencyStop,
    Message,
    MessageInfo,
    Node,
    QoSProfile,
    ServerGoalHandle,
    Service,
    run,
)
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.messages import Bool, Float64
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC

TOPICS: Final = ("/numbers/a", "/numbers/b", "/numbers/c")
LATCHED: Final = "/latched"
COMMANDS: Final = "/command"
CALL_SEC: Final = 4.0
_LATCHED_QOS: Final = QoSProfile(depth=1, durability="transient_local")


class Numbered(Message):
    """The `number`-th message of the process `origin` on its topic."""

    origin: str = ""
    number: int = 0
    pad: str = ""


class Echo(Service):
    """Gives the token back."""

    class Request(Message):
        token: str = ""

    class Response(Message):
        token: str = ""


class Move(Action):
    """Moves until it is cancelled."""

    class Goal(Message):
        commander: str = ""

    class Result(Message):
        steps: int = 0

    class Feedback(Message):
        steps: int = 0


class Actor(Node):
    """A node that writes a log."""

    def __init__(self, name: str, log: int) -> None:
        self._log = log
        self._chance = random.Random(name)
        super().__init__(name)
        self.note("began")

    def note(self, *words: object) -> None:
        os.write(self._log, f"{time.monotonic():.4f} {' '.join(map(str, words))}\n".encode())


class Publisher(Actor):
    """Numbered messages on every topic, small and large ones, and a latched one now and then."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self._publishers = [self.create_publisher(Numbered, topic, 10) for topic in TOPICS]
        self._latched = self.create_publisher(Numbered, f"{LATCHED}/{name}", _LATCHED_QOS)
        self._number = self._value = 0
        self.create_timer(0.02, self._publish)
        self.create_timer(1.0, self._latch)

    def _publish(self) -> None:
        self._number += 1
        size = self._chance.choice(
            (0, 0, 0, 10, 300, 3000, 100_000 if self._number % 25 == 0 else 0)
        )
        for publisher in self._publishers:
            self.note("sent", publisher.topic_name, self._number, publisher.publication.dropped)
            publisher.publish(Numbered(origin=self.get_name(), number=self._number, pad="x" * size))

    def _latch(self) -> None:
        self._value += 1
        self.note("latched", self._value)
        self._latched.publish(Numbered(origin=self.get_name(), number=self._value))


class Subscriber(Actor):
    """Hears the numbers; some have a short queue and are slow."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        depth = self._chance.choice((5, 100, 2000))
        self._slow_sec = self._chance.choice((0.0, 0.0, 0.002))
        self._heard = {
            topic: self.create_subscription(Numbered, topic, self._on_number, depth)
            for topic in TOPICS
        }
        self.create_timer(0.5, self._tell)

    def _on_number(self, msg: Numbered, info: MessageInfo) -> None:
        dropped = self._heard[info.topic_name].dropped
        self.note("heard", info.topic_name, msg.origin, msg.number, dropped)
        if self._slow_sec:
            time.sleep(self._slow_sec)

    def _tell(self) -> None:
        for topic, each in self._heard.items():
            self.note("counted", topic, each.dropped, each.invalid)


class Latecomer(Actor):
    """Wants the latched value of every publisher it is told of."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        for origin in sys.argv[4:]:
            self.create_subscription(Numbered, f"{LATCHED}/{origin}", self._on_value, 1)

    def _on_value(self, msg: Numbered) -> None:
        self.note("value", msg.origin, msg.number)


class Server(Actor):
    """Answers after a while."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self.create_service(Echo, "/echo", self._on_echo)

    async def _on_echo(self, request: Echo.Request, response: Echo.Response) -> Echo.Response:
        self.note("asked", request.token)
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.05, 0.3)))
        response.token = request.token
        return response


class Caller(Actor):
    """Calls again and again, some of it at once."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self._client = self.create_client(Echo, "/echo")
        self._calls = 0
        self.create_timer(0.1, self._call)

    async def _call(self) -> None:
        self._calls += 1
        token = f"{self.get_name()}:{self._calls}"
        self.note("call", token)
        try:
            response = await self._client.call(Echo.Request(token=token), timeout_sec=CALL_SEC)
        except DsmqError as error:
            self.note("refused", token, type(error).__name__)
        else:
            self.note("answer", token, response.token)


class Arm(Actor):
    """Moves for several commanders at once."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        ActionServer(self, Move, "/move", self._move, when_busy="parallel")

    async def _move(
        self, goal: "ServerGoalHandle[Move.Goal, Move.Result, Move.Feedback]"
    ) -> Move.Result:
        steps = 0
        while not goal.is_cancel_requested:
            self.note("step", goal.request.commander, goal.goal_id.hex())
            steps += 1
            goal.publish_feedback(Move.Feedback(steps=steps))
            await asyncio.sleep(0.1)
        goal.canceled()
        return Move.Result(steps=steps)


class Commander(Actor):
    """Sends a goal, lets it go on for a while, and cancels it; some goals it forgets to cancel."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self._client = ActionClient(self, Move, "/move")
        self.create_task(self._command())

    async def _command(self) -> None:
        while True:
            try:
                await self._once()
            except DsmqError as error:
                self.note("failed", type(error).__name__)
            await asyncio.sleep(0.2)

    async def _once(self) -> None:
        self.note("goal")
        handle = await self._client.send_goal_async(Move.Goal(commander=self.get_name()))
        await asyncio.sleep(self._chance.uniform(0.0, 1.5))
        await handle.cancel_goal_async()
        outcome = await handle.get_result_async()
        self.note("ended", outcome.status)


class Driver(Actor):
    """Commands the motors all the time."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self._publisher = self.create_publisher(Float64, COMMANDS, 1)
        self.create_timer(0.05, lambda: self._publisher.publish(Float64(data=1.0)))


class Motor(Actor):
    """Obeys, unless the emergency stop is pressed."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self.actuator = Actuator(self, Float64, COMMANDS, self._obey, timeout=0.5)

    def _obey(self, _: Float64) -> None:
        self.note("moved")

    def enter_safe_state(self) -> None:
        self.note("safe")


class Presser(Actor):
    """Presses the emergency stop, as a node does or as a plain publisher, until it is killed."""

    def __init__(self, name: str, log: int) -> None:
        super().__init__(name, log)
        self._press = self._chance.choice((self._by_stop, self._by_publisher))()
        self.create_timer(0.3, self._press_and_note)

    def _by_stop(self) -> Callable[[], None]:
        return EmergencyStop(self).press

    def _by_publisher(self) -> Callable[[], None]:
        publisher = self.create_publisher(Bool, EMERGENCY_STOP_TOPIC, 1)
        return lambda: publisher.publish(Bool(data=True))

    def _press_and_note(self) -> None:
        self._press()
        self.note("pressed")


KINDS: Final[dict[str, Callable[[str, int], Actor]]] = {
    kind.__name__.lower(): kind
    for kind in (
        Publisher,
        Subscriber,
        Latecomer,
        Server,
        Caller,
        Arm,
        Commander,
        Driver,
        Motor,
        Presser,
    )
}


def main() -> None:
    kind, name, path = sys.argv[1:4]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    run(lambda: KINDS[kind](name, log))


if __name__ == "__main__":
    main()
