"""The actions of launch; an unknown one is reported when the file is visited."""

from dsmq_nodes.rclpy.launching.actions import (
    AppendEnvironmentVariable,
    DeclareLaunchArgument,
    EmitEvent,
    GroupAction,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    Shutdown,
    TimerAction,
    unknown_names,
)
from dsmq_nodes.rclpy.launching.events.event_handlers import RegisterEventHandler
from dsmq_nodes.rclpy.launching.including import IncludeLaunchDescription
from dsmq_nodes.rclpy.launching.programs import ExecuteLocal, ExecuteProcess
from dsmq_nodes.rclpy.launching.scopes import (
    ForEach,
    ForLoop,
    PopEnvironment,
    PopLaunchConfigurations,
    PushEnvironment,
    PushLaunchConfigurations,
    ResetEnvironment,
    ResetLaunchConfigurations,
    UnsetEnvironmentVariable,
    UnsetLaunchConfiguration,
)

__getattr__ = unknown_names("launch.actions")
