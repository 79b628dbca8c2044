"""What the words of a context say of the log, while it and others are there."""
# mypy: ignore-errors

import os

os.environ["RCUTILS_LOGGING_USE_STDOUT"] = "1"
os.environ["RCUTILS_CONSOLE_OUTPUT_FORMAT"] = "{severity} {name} {message} {file_name}"

from rclpy.context import Context
from rclpy.logging import get_logger, get_logger_effective_level

CODE = compile("lambda name, text: get_logger(name).warning(text)", "/made/here", "eval")
warn = eval(CODE, {"get_logger": get_logger})


def say(when):
    print(when, [get_logger_effective_level(each).name for each in "xyz"], flush=True)
    for each in "xyz":
        warn(each, f"said {when}")


def began(*words):
    context = Context()
    context.init(args=["--ros-args", *words])
    return context


say("before")
first = began("--log-level", "x:=error")
say("with the first one")
second = began("--log-level", "y:=error", "--disable-stdout-logs")
say("with both")
first.shutdown()
say("with the second one")
second.shutdown()
say("after both")
silent = began("--log-level", "z:=error", "--disable-stdout-logs")
say("in silence")
loud = began("--enable-stdout-logs")
say("still in silence")
loud.try_shutdown()
silent.try_shutdown()
say("at the end")
