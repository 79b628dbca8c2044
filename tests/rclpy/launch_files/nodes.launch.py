"""Nodes with names, parameters and remappings of all kinds."""
# mypy: ignore-errors

import sys
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import (
    Node,
    PushRosNamespace,
    SetParameter,
    SetParametersFromFile,
    SetRemap,
    SetUseSimTime,
)
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

HERE = Path(__file__).parent
FILE = str(HERE / "params.yaml")
ARG = LaunchConfiguration("arg")
VALUES = {"a": 1, "b": 2.5, "c": True, "d": "1", "e": [1, 2], "f": ["u", "v"], "g": {"h": {"i": 3}}}
TYPED = {
    "any": ARG,
    "text": ParameterValue(ARG, value_type=str),
    "number": ParameterValue(ARG, value_type=float),
    "joined": ["pre_", ARG],
    "computed": PythonExpression([ARG, " > 3"]),
}


def run(*words, **more):
    return Node(executable=sys.executable, arguments=[str(HERE / "node.py"), *words], **more)


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("arg", default_value="7"),
            run("plain", ARG),
            run(name=["name", ARG], namespace="/abs/x"),
            run(name="values", parameters=[VALUES]),
            run(name="typed", parameters=[TYPED]),
            run(name="named", parameters=[FILE]),
            run(name="spaced", namespace="ns", parameters=[FILE, {"from_file": 8}]),
            run(name="last", parameters=[{"from_file": 8}, FILE]),
            run(
                name="substituted",
                parameters=[ParameterFile(HERE / "substituted.yaml", allow_substs=True)],
            ),
            run(name="remapped", remappings=[(["chat", "ter"], ["talk", ARG])]),
            GroupAction(
                [
                    PushRosNamespace("outer"),
                    SetParameter("set", 5),
                    SetRemap("chatter", "of_the_group"),
                    run(name="inside", namespace="inner", parameters=[{"set": 6}]),
                    run(name="both", remappings=[("chatter", "its_own")]),
                    SetParametersFromFile(FILE),
                    run(name="named", namespace="/"),
                ]
            ),
            run(name="outside"),
            SetUseSimTime(True),
            run(name="in_real_time"),
            SetParameter("use_sim_time", True),
            run(name="simulated"),
        ]
    )
