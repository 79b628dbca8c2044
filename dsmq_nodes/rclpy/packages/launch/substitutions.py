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
    SubstitutionError,
    TextSubstitution,
    ThisLaunchFile,
    ThisLaunchFileDir,
)

SubstitutionFailure = SubstitutionError

__all__ = [
    "AllSubstitution",
    "AndSubstitution",
    "AnonName",
    "AnySubstitution",
    "Command",
    "EnvironmentVariable",
    "EqualsSubstitution",
    "FileContent",
    "FindExecutable",
    "ForEachVar",
    "ForLoopIndex",
    "IfElseSubstitution",
    "LaunchConfiguration",
    "LocalSubstitution",
    "NotEqualsSubstitution",
    "NotSubstitution",
    "OrSubstitution",
    "PathJoinSubstitution",
    "PathSubstitution",
    "PythonExpression",
    "SubstitutionFailure",
    "TextSubstitution",
    "ThisLaunchFile",
    "ThisLaunchFileDir",
]


__getattr__ = unknown_names("launch.substitutions")
