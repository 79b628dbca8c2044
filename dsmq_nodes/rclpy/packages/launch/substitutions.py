"""The substitutions of launch; an unknown one is reported when the file is visited."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.expressions import PythonExpression
from dsmq_nodes.rclpy.launching.scopes import ForEachVar, ForLoopIndex
from dsmq_nodes.rclpy.launching.substituting import (
    AllSubstitution,
    AndSubstitution,
    AnonName,
    AnySubstitution,
    Command,
    EnvironmentVariable,
    EqualsSubstitution,
    FileContent,
    FindExecutable,
    IfElseSubstitution,
    LaunchConfiguration,
    LocalSubstitution,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    PathJoinSubstitution,
    PathSubstitution,
    TextSubstitution,
    ThisLaunchFile,
    ThisLaunchFileDir,
)
from dsmq_nodes.rclpy.launching.substituting import (
    SubstitutionError as SubstitutionFailure,
)

__getattr__ = unknown_names("launch.substitutions")
