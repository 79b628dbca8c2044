"""The guard's order to start a process."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """One process to start: a request of the launcher (guard.py), with its descriptors.

    Attributes:
        start: the order's number in the launch.
        argv: the program and its arguments.
        env: the whole environment.
        deaf: whether it starts with SIGINT and SIGTERM blocked.
        last: whether it ends after all others.
        fork: whether the warm process may fork it.
        nice: its niceness.
        cpus: the CPUs that it may run on; empty for any.
        out: the descriptor of its standard output.
        err: the descriptor of its standard error.
        pipes: the read end of their pipe, or of both, which guard and process keep open.
    """

    start: int
    argv: list[str]
    env: dict[str, str]
    deaf: bool
    last: bool
    fork: bool
    nice: int
    cpus: list[int]
    out: int
    err: int
    pipes: list[int]

    def close_ends(self) -> None:
        """Close the ends of its output, which the process has, or which it will never have."""
        os.close(self.out)
        os.close(self.err)

    def close_pipes(self) -> None:
        """Close the guard's read ends, when the process has ended."""
        for each in self.pipes:
            os.close(each)
