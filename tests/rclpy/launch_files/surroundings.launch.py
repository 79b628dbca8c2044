"""What surrounds the actions of a launch file: what each program is given."""
# mypy: ignore-errors

from pathlib import Path

from launch import LaunchDescription
from launch.actions import (
    AppendEnvironmentVariable,
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    PopEnvironment,
    PopLaunchConfigurations,
    PushEnvironment,
    PushLaunchConfigurations,
    ResetEnvironment,
    ResetLaunchConfigurations,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    UnsetEnvironmentVariable,
    UnsetLaunchConfiguration,
)
from launch.conditions import IfCondition, UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    AllSubstitution,
    AnonName,
    AnySubstitution,
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
    PythonExpression,
)

HERE = Path(__file__).parent
ARG, COUNT, FLAG = (LaunchConfiguration(name) for name in ("arg", "count", "flag"))


def show(*words, **more):
    return ExecuteProcess(cmd=["/bin/sh", str(HERE / "show.sh"), *words], **more)


def opaque(context, *args, **more):
    return [show("opaque", ARG.perform(context), *args, *more)]


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("arg", default_value="default"),
            DeclareLaunchArgument("flag", default_value="true", choices=["true", "false"]),
            DeclareLaunchArgument("count", default_value="4"),
            show("words", ARG, ["a", COUNT, "b"]),
            show("if", condition=IfCondition(FLAG)),
            show("unless", condition=UnlessCondition(FLAG)),
            show("text", PythonExpression(['"', ARG, '".upper() + str(', COUNT, " * 2)"])),
            show("math", PythonExpression(["round(math.pi, 3) + sqrt(", COUNT, ")"])),
            show("max", PythonExpression(["max(1, ", COUNT, ', int("7"))'])),
            show("part", PythonExpression(['"a,b,c".split(",")[1:]'])),
            show("any", AnySubstitution("false", "true", FLAG), AllSubstitution("true", "false")),
            show("either", IfElseSubstitution(FLAG, if_value="yes", else_value="no")),
            show("same", PythonExpression(['"', AnonName("a"), '" == "', AnonName("a"), '"'])),
            show("other", PythonExpression(['"', AnonName("a"), '" == "', AnonName("b"), '"'])),
            show(
                "equal",
                EqualsSubstitution(FLAG, "True"),
                EqualsSubstitution("0", "false"),
                EqualsSubstitution("1", "1.0"),
                EqualsSubstitution("a", "A"),
                NotEqualsSubstitution(FLAG, "TRUE"),
            ),
            show("or", PythonExpression(["'' or '", ARG, "'"]), PythonExpression(["1 and 2"])),
            show("tuple", PythonExpression(["(1, 'a'.replace('a', 'b'))"])),
            show("path", PathJoinSubstitution(["a", ARG, "c.txt"])),
            show("not set", EnvironmentVariable("L_NONE", default_value="none")),
            SetEnvironmentVariable("L_A", "one"),
            AppendEnvironmentVariable("L_A", "two"),
            AppendEnvironmentVariable("L_A", "zero", prepend=True),
            AppendEnvironmentVariable("L_B", "x", separator=";"),
            show("set", EnvironmentVariable("L_A")),
            show("only its own", env={"L_O": "o"}),
            UnsetEnvironmentVariable("L_B"),
            show("unset"),
            GroupAction(
                [
                    SetLaunchConfiguration("arg", "inner"),
                    SetEnvironmentVariable("L_G", "g"),
                    show("group", ARG),
                ]
            ),
            show("after the group", ARG),
            GroupAction([SetLaunchConfiguration("arg", "leaked")], scoped=False),
            show("not scoped", ARG),
            GroupAction(
                [show("configured", ARG, LaunchConfiguration("more"))],
                launch_configurations={"more": "more"},
            ),
            GroupAction(
                [show("not forwarded", LaunchConfiguration("kept"), "nothing else")],
                forwarding=False,
                launch_configurations={"kept": ARG},
            ),
            UnsetLaunchConfiguration("count"),
            show("gone", LaunchConfiguration("count", default="gone")),
            OpaqueFunction(function=opaque),
            OpaqueFunction(function=opaque, args=["more"], kwargs={"word": 1}),
            show("its own", additional_env={"L_X": "x", "L_Y": ARG}),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(HERE / "included.launch.py")),
                launch_arguments={"arg": "passed", "own": "own"}.items(),
            ),
            show("after the include", ARG),
            PushLaunchConfigurations(),
            SetLaunchConfiguration("arg", "pushed"),
            show("pushed", ARG),
            PopLaunchConfigurations(),
            show("popped", ARG),
            PushEnvironment(),
            SetEnvironmentVariable("L_P", "p"),
            UnsetEnvironmentVariable("L_A"),
            show("pushed environment"),
            PopEnvironment(),
            show("popped environment"),
            ResetEnvironment(),
            show("reset environment"),
            ResetLaunchConfigurations({"kept": ARG}),
            show("reset", LaunchConfiguration("kept"), LaunchConfiguration("arg", default="none")),
        ]
    )
