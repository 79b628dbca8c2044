"""Decides which processes may be forked: those of this Python that run a module or a file."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

CHILD: Final = ("-m", "dsmq_nodes.launcher.supervise.child", "--path")
"""The arguments of a node's process after the interpreter; a directory to import from follows."""
# Read by an interpreter, its C library or an imported module at its start. An entry that sets such
# a variable gets an interpreter of its own.
_READ_AT_START: Final = (
    "COVERAGE_",
    "DSMQ_NODES_",
    "GLIBC_",
    "LANG",
    "LC_",
    "LD_",
    "MALLOC_",
    "OPENSSL_",
    "PYDANTIC_",
    "PYTHON",
)
# With one of these variables, something watches each interpreter from its start.
_MEASURES: Final = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPROFILEIMPORTTIME")


def can_fork(argv: Sequence[str], env: Iterable[str]) -> bool:
    """Whether a process may be forked.

    Args:
        argv: its program and arguments.
        env: the names of the variables that it has in addition to those of the launch.
    """
    return (
        sys.platform == "linux"
        and not any(map(os.environ.get, _MEASURES))
        and not any(name.startswith(_READ_AT_START) for name in env)
        and _is_this_python(argv[0])
        and _names_a_program(argv[1:])
    )


def _names_a_program(words: Sequence[str]) -> bool:
    """Whether the first words are `-m MODULE` or a file; with other options nothing is forked."""
    return bool(words) and (words[0].endswith(".py") or (words[0] == "-m" and len(words) > 1))


def _is_this_python(program: str) -> bool:
    """Whether it is this interpreter, by one of its names in this environment's directory."""
    if program == sys.executable:
        return True
    path = Path(program)
    return (
        path.parent == Path(sys.executable).parent
        and path.name.startswith("python")
        and path.is_file()
        and path.samefile(sys.executable)
    )
