"""What the guard is asked to start."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """One process to start.

    Attributes:
        number: counts the starts of a launch.
        argv: its program and arguments.
        env: its whole environment.
        deaf: start it with SIGINT and SIGTERM blocked.
        last: it ends when all others have.
        nice: its niceness.
        cpus: the CPUs it may run on; none for any.
        out: a descriptor, its standard output.
        err: likewise, its standard error.
        output: likewise, the read end of their pipe, which guard and process keep open.
    """

    number: int
    argv: list[str]
    env: dict[str, str]
    deaf: bool
    last: bool
    nice: int
    cpus: list[int]
    out: int
    err: int
    output: int

    def close_ends(self) -> None:
        """Close its output's ends, which the process has, or never will have."""
        os.close(self.out)
        os.close(self.err)
