"""What is included by others."""
# mypy: ignore-errors

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, SetLaunchConfiguration
from launch.substitutions import LaunchConfiguration

SHOW = ["/bin/sh", str(Path(__file__).parent / "show.sh")]


def generate_launch_description():
    own = LaunchConfiguration("own")
    return LaunchDescription(
        [
            DeclareLaunchArgument("arg", default_value="included"),
            DeclareLaunchArgument("own", default_value="own"),
            ExecuteProcess(cmd=[*SHOW, "included", LaunchConfiguration("arg"), own]),
            SetLaunchConfiguration("own", "changed"),
            ExecuteProcess(cmd=[*SHOW, "included, changed", own]),
        ]
    )
