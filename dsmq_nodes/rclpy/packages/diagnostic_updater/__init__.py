"""ROS's diagnostic_updater: the states of a node's tasks, published on /diagnostics each second."""

from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_status_wrapper import (
    DiagnosticStatus,
    DiagnosticStatusWrapper,
    KeyValue,
)
from dsmq_nodes.rclpy.packages.diagnostic_updater._diagnostic_updater import (
    CompositeDiagnosticTask,
    DiagnosticArray,
    DiagnosticTask,
    DiagnosticTaskVector,
    FunctionDiagnosticTask,
    Heartbeat,
    Updater,
)
from dsmq_nodes.rclpy.packages.diagnostic_updater._publisher import (
    DiagnosedPublisher,
    HeaderlessTopicDiagnostic,
    TopicDiagnostic,
)
from dsmq_nodes.rclpy.packages.diagnostic_updater._update_functions import (
    FrequencyStatus,
    FrequencyStatusParam,
    TimeStampStatus,
    TimeStampStatusParam,
)
