"""Annotations with types in brackets, and names that are imported from where they are used."""
# mypy: ignore-errors

import typing

import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.action.client import ClientGoalHandle, GoalStatus
from rclpy.action.server import ServerGoalHandle, Task
from rclpy.client import Client, SrvType
from rclpy.exceptions import TimerCancelledError
from rclpy.executors import Executor, SingleThreadedExecutor, TimerInfo, Waitable
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.lifecycle import LifecyclePublisher
from rclpy.node import (
    CallbackGroup,
    MessageInfo,
    MsgType,
    Node,
    ParameterAlreadyDeclaredException,
    ParameterMsg,
    SetParametersResult,
    expand_topic_name,
    validate_topic_name,
)
from rclpy.parameter import Parameter, ParameterType
from rclpy.publisher import MsgT, Publisher
from rclpy.qos_overriding_options import QosCallbackResult
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.task import Future
from rclpy.type_support import SrvRequestT
from std_msgs.msg import String
from std_srvs.srv import Trigger
from test_msgs.action import Fibonacci

GOAL = (Fibonacci.Goal, Fibonacci.Result, Fibonacci.Feedback)


class Loud(Publisher[String]):
    def publish(self, msg):
        print("publish", msg)
        super().publish(msg)


class Annotated(Node):
    publisher: Publisher[String]
    client: Client[Trigger.Request, Trigger.Response]

    def __init__(self, executor: Executor, group: CallbackGroup | None = None) -> None:
        super().__init__("annotated")
        self.publisher = self.create_publisher(String, "a", 1, publisher_class=Loud)

    def later(self, future: Future[Trigger.Response], info: TimerInfo) -> Parameter[int]:
        return Parameter("p", value=1)


starred = {}
exec("from rclpy.node import *", starred)
wanted = "Node Client Clock Executor Parameter Publisher QoSProfile Service Subscription Timer"
wanted += " MutuallyExclusiveCallbackGroup ReentrantCallbackGroup"
print([name for name in wanted.split() if name not in starred], starred["Node"] is Node)
rclpy.init(args=[])
node = Annotated(SingleThreadedExecutor())
node.publisher.publish(String(data="x"))
for kind in (
    Publisher[String], Subscription[String], Client[String, String], Service[MsgType, MsgT],
    ActionClient[GOAL], ActionServer[GOAL], ClientGoalHandle[GOAL], ServerGoalHandle[GOAL],
    Waitable[int], LifecyclePublisher[String], Parameter[int], Task[None],
):  # fmt: skip
    print(kind, typing.get_origin(kind).__name__, len(typing.get_args(kind)))
print(isinstance(node.publisher, Loud), isinstance(node.publisher, Publisher))
print(ParameterMsg.__name__, SetParametersResult is QosCallbackResult, GoalStatus.STATUS_ABORTED)
print(ParameterType.PARAMETER_BOOL, MessageInfo.__name__, TimerCancelledError.__mro__[1].__name__)
print(SrvType, SrvRequestT, ParameterAlreadyDeclaredException.__mro__[1].__name__)
print(validate_topic_name("a"), expand_topic_name("a", "n", "/"))
executor = EventsExecutor()
print(type(executor).__name__, executor.shutdown())
rclpy.shutdown()
