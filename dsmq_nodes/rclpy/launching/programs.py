"""The actions of launch that start programs."""

import math
import os
import sys
from collections.abc import Iterable
from dataclasses import KW_ONLY, field
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.launcher.supervise.plan import ProcessPlan, RestartPlan
from dsmq_nodes.rclpy.launching.actions import Action
from dsmq_nodes.rclpy.launching.events.event_handlers import OnProcessExit, RegisterEventHandler
from dsmq_nodes.rclpy.launching.substituting import (
    seconds_of,
    split_words,
    text_of,
    texts_of,
    truth_of,
    words_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit

_BEGINNING: Final = str(Path(__file__).with_name("beginning.py"))  # not `-m`: no imports of the kit


class ExecuteLocal(Action):
    """A program; a subclass returns its words."""

    process = ""  # its name in the plan, after the visit

    _: KW_ONLY
    name: Any = None
    additional_env: dict[Any, Any] | None = None
    env: dict[Any, Any] | None = None
    cwd: Any = None
    respawn: Any = False
    respawn_delay: Any = 0
    respawn_max_retries: int = -1
    on_exit: Any = None
    sigterm_timeout: Any = 5
    sigkill_timeout: Any = 5
    shell: bool = False
    prefix: Any = None
    # These choose the output that is shown; here all of it is shown.
    output: Any = "log"
    output_format: Any = ""
    log_cmd: Any = False
    emulate_tty: Any = False
    cached_output: Any = False

    def words(self, context: Visit) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def title(self, context: Visit, words: list[str]) -> str:
        """Return the name of the process in the output."""
        program = words[0].partition(" ")[0] if self.shell else words[0]
        return text_of(self.name, context) if self.name else Path(program).stem

    def act(self, context: Visit) -> None:
        """Add the process of the program."""
        words, around = self.words(context), context.around
        title = self.title(context, words)
        if self.shell:  # as the file asks; launch files of this kit never use a shell
            words = ["/bin/sh", "-c", " ".join(words)]
        if self.prefix is not None:
            words = [*split_words(text_of(self.prefix, context)), *words]
        cwd = None if self.cwd is None else text_of(self.cwd, context)
        # `env` stands in place of the environment; programs of this kit still find their broker.
        inherited = around.env if self.env is None else _nothing_inherited()
        own = texts_of(self.env, context) | texts_of(self.additional_env, context)
        env = inherited | own
        without = [name for name, value in env.items() if value is None and name in os.environ]
        restart = RestartPlan()
        if truth_of(self.respawn, context):
            delay_sec, most = seconds_of(self.respawn_delay or 0, context), self.respawn_max_retries
            most_restarts = None if most < 0 else most
            restart = RestartPlan("always", delay_sec, delay_sec, 0.0, most_restarts, math.inf)
        self.process = context.add(
            ProcessPlan(
                title,
                _beginning(words, cwd, without),
                {name: value for name, value in env.items() if value is not None},
                restart=restart,
                sigterm_timeout_sec=seconds_of(self.sigterm_timeout, context),
                sigkill_timeout_sec=seconds_of(self.sigkill_timeout, context),
            )
        )
        context.programs[self.process] = self
        if self.on_exit is not None:
            handler = OnProcessExit(target_action=self, on_exit=self.on_exit)
            RegisterEventHandler(handler).act(context)


def _beginning(words: list[str], cwd: str | None, without: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a command that changes the folder or removes variables first."""
    options = [] if cwd is None else ["--cwd", cwd]
    options += [word for name in without for word in ("--without", name)]
    return (sys.executable, _BEGINNING, *options, "--", *words) if options else (*words,)


def _nothing_inherited() -> dict[str, str | None]:
    return {name: None for name in os.environ if not name.startswith("DSMQ_")}


class ExecuteProcess(ExecuteLocal):
    """Any program: `cmd` is a list of words."""

    cmd: Any = field(kw_only=True)

    def words(self, context: Visit) -> list[str]:
        """Return the words of `cmd`."""
        return [word for each in self.cmd for word in words_of(each, context)]
