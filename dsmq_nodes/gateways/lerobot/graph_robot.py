"""LeRobot's `Robot` and `Teleoperator` on a graph: read the newest messages, publish commands.

Joints are in degrees and grippers 0 to 100 here, but rad in the graph (bag/lerobot/features.py). A
message older than `max_age` is refused, which ends LeRobot's loop. When the loop ends, or is
killed, no command arrives, and the arm's driver holds. The driver applies the limits.
"""

import logging
import math
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from lerobot.robots import Robot, RobotConfig
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig
from numpy.typing import NDArray

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.lerobot.dataset_layout import JOINT
from dsmq_nodes.bag.lerobot.features import VectorReader, in_rad
from dsmq_nodes.bag.lerobot.pictures import picture_of, rgb_of
from dsmq_nodes.devices.servo_bus.calibration import read_calibration
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.dsmq.address import parse_address
from dsmq_nodes.graph.time.ages import Ages
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.messages.base import Header, Time
from dsmq_nodes.messages.sensor import JointState
from dsmq_nodes.tools.session import Session

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.wire import Reply

logger = logging.getLogger("dsmq_nodes.lerobot")

_FIRST_SEC: Final = 5.0  # the wait for the first message of a topic


@dataclass(kw_only=True)
class GraphConfig:
    """The address of the graph, and the joints."""

    broker: str = ""  # as host:port; empty: DSMQ_BROKER
    joints: list[str] = field(default_factory=lambda: list(SO101))
    calibration: str = ""  # LeRobot's file, for the range of the gripper
    max_age: float = 0.5  # seconds


@RobotConfig.register_subclass("dsmq")
@dataclass(kw_only=True)
class DsmqRobotConfig(GraphConfig, RobotConfig):
    """The topics of a robot."""

    state: str = "/joint_states"
    command: str = "/joint_command"
    pictures: dict[str, str] = field(default_factory=dict)  # topics by camera name


@TeleoperatorConfig.register_subclass("dsmq")
@dataclass(kw_only=True)
class DsmqTeleoperatorConfig(GraphConfig, TeleoperatorConfig):
    """The topic of a teleoperator: JointState, as from a leader arm."""

    topic: str = "/leader/joint_states"


class _NewestMessages:
    """A connection to the graph, and the newest message of each topic."""

    def __init__(self, config: GraphConfig, topics: list[str]) -> None:
        self.session = Session(parse_address(config.broker or os.environ.get("DSMQ_BROKER", "")))
        self._max_age_sec = config.max_age
        self._newest: dict[str, tuple[Reply, int]] = {}  # and when it was published, at the latest
        self._ages = {topic: Ages(topic, BaseClock(), logger.warning) for topic in topics}
        self._types: dict[str, str] = {}
        self.calibrations = read_calibration(config.calibration) if config.calibration else {}
        for topic in topics:
            self.session.subscribe(topic, depth=1)

    def newest(self, topic: str) -> bytes:
        """Return the newest message of a topic; raise ConnectionError if it is too old."""
        left_sec = 0.0 if topic in self._newest else _FIRST_SEC
        until_sec = time.monotonic() + left_sec
        while reply := self.session.next_message(timeout_sec=left_sec):
            since_ns = time.monotonic_ns() - self._ages[reply.topic].least_ns(reply)
            self._newest[reply.topic] = reply, since_ns
            left_sec = 0.0 if topic in self._newest else max(until_sec - time.monotonic(), 0.0)
        if topic not in self._newest:
            raise ConnectionError(f"no message arrives on {topic}")
        newest, since_ns = self._newest[topic]
        age_sec = (time.monotonic_ns() - since_ns) * 1e-9
        if age_sec > self._max_age_sec:
            raise ConnectionError(f"the newest message of {topic} is {age_sec:.1f} s old")
        return (newest.text or "").encode()

    def picture(self, topic: str) -> NDArray[np.uint8]:
        """Return the newest picture, of shape (height, width, 3); raise ValueError if invalid."""
        data = self.newest(topic)
        if topic not in self._types:
            self._types = {each.name: each.type for each in self.session.graph().topics}
        channel = Channel(topic, self._types.get(topic, ""))
        return rgb_of(picture_of(Record(channel, 0, 0, 0, data)))


class _InGraph:
    """The common part of the robot and the teleoperator."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[call-arg]  # LeRobot's class, beside this one
        self.config = config
        self.cameras = dict.fromkeys(getattr(config, "pictures", ()))  # LeRobot counts them
        self._graph: _NewestMessages | None = None
        self._seen: dict[str, tuple[float, float]] = {}  # values, and their times

    def _topics(self) -> list[str]:
        raise NotImplementedError

    def _opened(self) -> _NewestMessages:
        self._graph = self._graph or _NewestMessages(self.config, self._topics())
        return self._graph

    def _joints(self, topic: str) -> dict[str, float]:
        reader = VectorReader(JointState.type_name, self._opened().calibrations)
        values = reader.read(self._opened().newest(topic))
        now_sec = time.monotonic()
        self._seen |= {name: (each, now_sec) for name, each in values.items()}
        for name in self.action_features:  # a servo may miss a cycle
            if now_sec - self._seen.get(name, (0.0, -math.inf))[1] > self.config.max_age:
                raise ConnectionError(f"{topic} has no {name}: it has {', '.join(reader.names)}")
        return {name: self._seen[name][0] for name in self.action_features}

    @property
    def action_features(self) -> dict[str, type]:
        return {joint + JOINT: float for joint in self.config.joints}

    @property
    def is_connected(self) -> bool:
        return self._graph is not None

    def connect(self, calibrate: bool = True) -> None:
        del calibrate
        for topic in self._topics():
            self._opened().newest(topic)

    def disconnect(self) -> None:
        if self._graph is not None:
            self._graph.session.close()
            self._graph = None

    is_calibrated = True  # by `dsmq-nodes servo calibrate`

    def calibrate(self) -> None:
        pass

    configure = calibrate  # the launch file configures


class DsmqRobot(_InGraph, Robot):
    """A robot whose driver is a node."""

    config_class = DsmqRobotConfig
    name = "dsmq"

    def _topics(self) -> list[str]:
        return [self.config.state, *self.config.pictures.values()]

    @property
    def observation_features(self) -> dict[str, Any]:
        """The joints, and the shapes of the pictures, taken from the first of each."""
        pictures = self.config.pictures.items()
        shapes = {name: self._opened().picture(topic).shape for name, topic in pictures}
        return {**self.action_features, **shapes}

    def get_observation(self) -> dict[str, Any]:
        """Return the newest joints and pictures; raise ConnectionError if one is too old."""
        pictures = self.config.pictures.items()
        found = {name: self._opened().picture(topic) for name, topic in pictures}
        return {**self._joints(self.config.state), **found}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Publish a command for all joints; the driver limits it."""
        graph, topic = self._opened(), self.config.command
        if topic not in graph.session.published:
            schema = msgspec.json.encode(JointState.schema())
            graph.session.advertise(topic, JointState.type_name, schema)
        pairs = ((joint, float(action[joint + JOINT])) for joint in self.config.joints)
        rad = [in_rad(joint, value, graph.calibrations) for joint, value in pairs]
        sec, nanosec = divmod(time.time_ns(), 10**9)
        header = Header(stamp=Time(sec=sec, nanosec=nanosec))
        message = JointState(header=header, name=self.config.joints, position=rad)
        graph.session.publish(topic, message.to_json())
        return action


class DsmqTeleoperator(_InGraph, Teleoperator):
    """A leader whose positions a node publishes."""

    config_class = DsmqTeleoperatorConfig
    name = "dsmq"
    feedback_features: dict[str, type] = {}

    def _topics(self) -> list[str]:
        return [self.config.topic]

    def get_action(self) -> dict[str, float]:
        """Return the newest positions of the leader; raise ConnectionError if they are too old."""
        return self._joints(self.config.topic)

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """Do nothing: the teleoperator has no force feedback."""
